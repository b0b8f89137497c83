"""Mails about what goes with an ownership: a consent, an offer to pass the car on."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from connectivity.notices import outbox
from connectivity.notices.rules.mail import Mail, Reader, page, person, vin_ending
from fleet import transfers
from fleet.models import Transfer


def learning(event: Any, _now: datetime) -> Iterator[Mail]:
    """The receipt of a consent, or of its end; with an ownership it ends without one of its own."""
    owner = person(event.data.get("owner"))
    if owner is None or event.data.get("by_itself"):
        return
    reader = Reader(owner)
    yield Mail(
        "learning",
        owner,
        {
            **reader.car(event.vehicle_id),
            "at": reader.moment(event.at),
            "allowed": event.kind == "learning_allowed",
            "text": event.data.get("text", ""),
        },
    )


def transfer_offered(event: Any, _now: datetime) -> Iterator[Mail]:
    """The link for the buyer, who may have no account; a receipt for the seller."""
    offer = _offer(event)
    if offer is None or not offer.email:
        return
    link = page("garage:offered", transfers.token(offer))
    yield _to_buyer("transfer_offered", offer, link=link)
    yield _to_seller("transfer_receipt", offer)


def transfer_over(event: Any, _now: datetime) -> Iterator[Mail]:
    """It will not be accepted; whoever decided that knows it already."""
    offer, how = _offer(event), event.kind.removeprefix("transfer_")
    if offer is None or not offer.email:
        return
    if how in ("declined", "expired"):
        yield _to_seller("transfer_unanswered", offer, declined=how == "declined")
    if how != "declined":
        yield _to_buyer("transfer_over", offer, expired=how == "expired")


def _offer(event: Any) -> Transfer | None:
    return Transfer.objects.select_related("seller").filter(pk=event.data.get("transfer")).first()


def _to_seller(template: str, offer: Transfer, **more: Any) -> Mail:
    reader = Reader(offer.seller)
    facts = {
        **reader.car(offer.vehicle_id),
        "email": offer.email,
        "at": reader.moment(offer.decided_at or offer.offered_at),
        "until": reader.moment(offer.expires_at),
    }
    return Mail(template, offer.seller, {**facts, **more})


def _to_buyer(template: str, offer: Transfer, **more: Any) -> Mail:
    """Who has no account yet reads what the seller reads; nothing else of the seller is told."""
    buyer = get_user_model().objects.filter(email=offer.email).first()
    reader = Reader(buyer or offer.seller)
    facts = {
        "car": reader.car(offer.vehicle_id)["car"],
        "vin": vin_ending(offer.vehicle_id),
        "until": reader.moment(offer.expires_at),
    }
    reads = outbox.language(buyer or offer.seller)
    return Mail(template, buyer, {**facts, **more}, address=offer.email, reads=reads)
