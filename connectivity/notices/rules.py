"""Which event is told to whom, and in which words; the only place that decides it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils import translation

from billing import standing
from connectivity.notices import outbox
from fleet.formats import money, written_day
from fleet.models import Vehicle
from fleet.words import car_name


@dataclass(frozen=True, slots=True)
class Mail:
    """A template for a person, with what it needs to know."""

    template: str
    to: Any
    context: dict[str, Any]


Rule = Callable[[Any, datetime], Iterator[Mail]]


def apply(source: str, event: Any, *, now: datetime) -> None:
    """Write down the mails that follow from an event, if any do."""
    rule = RULES.get((source, event.kind))
    for mail in rule(event, now) if rule else ():
        outbox.tell(
            source=source,
            event_id=event.pk,
            template=mail.template,
            recipient=mail.to.email,
            user=mail.to,
            context=mail.context,
            now=now,
        )


def _premium_started(event: Any, now: datetime) -> Iterator[Mail]:
    """The receipt in words: the grant is the moment at which money became Premium."""
    if event.payer is None or event.data.get("source") != "subscription":
        return
    terms = standing.standing(event.subject_id, payer=event.payer, now=now)
    yield Mail(
        "trial_started" if terms.state == "trialing" else "premium_started",
        event.payer,
        {
            **_car(event.subject_id),
            "amount": money(terms.unit_amount or 0, terms.currency),
            "interval": terms.interval,
            "paid_through": _day(terms.paid_through, event.payer),
        },
    )


def _refunded(event: Any, now: datetime) -> Iterator[Mail]:
    if event.payer is not None:
        terms = standing.standing(event.subject_id, payer=event.payer, now=now)
        amount = money(event.data["amount"], terms.currency or "usd")
        yield Mail("refunded", event.payer, {**_car(event.subject_id), "amount": amount})


def _renewal_changed(event: Any, now: datetime) -> Iterator[Mail]:
    if event.payer is None:
        return
    terms = standing.standing(event.subject_id, payer=event.payer, now=now)
    paid = event.data["paid_through"]
    yield Mail(
        "cancel_scheduled" if event.kind == "renewal_stopped" else "renewal_resumed",
        event.payer,
        {
            **_car(event.subject_id),
            "amount": money(terms.unit_amount or 0, terms.currency),
            "paid_through": _day(datetime.fromisoformat(paid), event.payer) if paid else "",
        },
    )


def _claim_opened(event: Any, _now: datetime) -> Iterator[Mail]:
    owner = _person(event.data.get("owner"))
    if owner is not None:
        yield Mail("claim_opened", owner, _car(event.vehicle_id))


def _claim_decided(event: Any, _now: datetime) -> Iterator[Mail]:
    claimant = _person(event.data.get("claimant"))
    if claimant is not None:
        outcome = event.kind.removeprefix("claim_")
        yield Mail("claim_decided", claimant, {**_car(event.vehicle_id), "outcome": outcome})


def _released(event: Any, _now: datetime) -> Iterator[Mail]:
    owner = _person(event.data.get("owner")) or event.actor
    if owner is not None:
        yield Mail("vehicle_released", owner, _car(event.vehicle_id))


RULES: dict[tuple[str, str], Rule] = {
    ("billing", "grant_given"): _premium_started,
    ("billing", "refunded"): _refunded,
    ("billing", "renewal_stopped"): _renewal_changed,
    ("billing", "renewal_resumed"): _renewal_changed,
    ("fleet", "claim_opened"): _claim_opened,
    ("fleet", "claim_released"): _claim_decided,
    ("fleet", "claim_objected"): _claim_decided,
    ("fleet", "claim_granted"): _claim_decided,
    ("fleet", "claim_refused"): _claim_decided,
    ("fleet", "claim_completed"): _claim_decided,
    ("fleet", "vehicle_released"): _released,
    ("fleet", "vehicle_lost"): _released,
}


def _car(vehicle_id: UUID | None) -> dict[str, str]:
    vehicle = Vehicle.objects.filter(id=vehicle_id).first() if vehicle_id else None
    return {"car": car_name(vehicle), "vehicle_id": str(vehicle_id)} if vehicle else {"car": ""}


def _person(user_id: str | None) -> Any:
    return get_user_model().objects.filter(pk=user_id).first() if user_id else None


def _day(instant: datetime | None, reader: Any) -> str:
    with translation.override(outbox.language(reader)):
        return written_day(instant) if instant else ""
