"""Decides how a car passes from its owner to who accepts it; never who pays for it after that.

# Note [An offer is not a sale]
The seller names an address; whoever reads it gets a link that is good once, for 14 days, with any
account. Until they accept, all stays as it is and the seller may take it back. Each decision holds
the car first, so that of two at the same moment the second finds the offer decided.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import queries
from fleet import garage, rights
from fleet.links import Links
from fleet.models import DomainEvent, Transfer, Vehicle

LIFETIME = timedelta(days=14)
MOST_A_DAY = 10  # for one seller, so that nobody mails the world in our name
REMEMBERED = timedelta(days=30)  # for which an address is kept after the decision
_LINKS = Links("fleet.transfers", Transfer.objects.select_related("vehicle", "seller"))
token = _LINKS.token  # What the link has that is mailed.


class OfferedAlready(Exception):
    """The car is on offer to somebody: that is to be taken back first."""


class ToOneself(Exception):
    """It is the seller's own address, or account."""


class TooMany(Exception):
    """This owner has made too many offers today."""


class NotOnOffer(Exception):
    """There is no such offer, or it has been decided or has run out."""


def offer(*, owner: Any, vehicle_id: UUID, email: str, now: datetime) -> Transfer:
    """Offer a car to whoever reads this address.

    Raises garage.NotInGarage, OfferedAlready, ToOneself, TooMany.
    """
    email = email.strip().lower()
    if email == owner.email:
        raise ToOneself
    with transaction.atomic(durable=True):
        vehicle = garage.hold(owner=owner, vehicle_id=vehicle_id).vehicle
        if is_offered(vehicle, now=now):
            raise OfferedAlready
        _close_expired(vehicle, now=now)
        today = Transfer.objects.filter(seller=owner, offered_at__gt=now - timedelta(days=1))
        if today.count() >= MOST_A_DAY:
            raise TooMany
        made = Transfer.objects.create(
            vehicle=vehicle, seller=owner, email=email, offered_at=now, expires_at=now + LIFETIME
        )
        DomainEvent.objects.create(
            kind="transfer_offered",
            at=now,
            vehicle=vehicle,
            actor=owner,
            data={"transfer": made.pk},
        )
    return made


def take_back(*, owner: Any, vehicle_id: UUID, now: datetime) -> bool:
    """Take the owner's offer back; False if none is open. Raises garage.NotInGarage."""
    with transaction.atomic(durable=True):
        vehicle = garage.hold(owner=owner, vehicle_id=vehicle_id).vehicle
        found = vehicle.transfers.filter(state=Transfer.State.OPEN).first()
        if found is None:
            return False
        rights.close(found, Transfer.State.TAKEN_BACK, actor=owner, now=now)
    return True


def accept(*, transfer: Transfer, buyer: Any, now: datetime) -> UUID:
    """Hand the car over to who accepts it; return its id. Raises NotOnOffer, ToOneself."""
    if buyer.pk == transfer.seller_id:
        raise ToOneself
    with transaction.atomic(durable=True):
        ownership = _held(transfer)
        found = _open(transfer, now=now)
        # Decided first: what ends with the ownership is to find no open offer.
        rights.close(found, Transfer.State.ACCEPTED, actor=buyer, buyer=buyer, now=now)
        garage.pass_on(ownership, to=buyer, now=now)
    return found.vehicle_id


def decline(*, transfer: Transfer, actor: Any, now: datetime) -> None:
    """Say no; `actor` is None for somebody who has not signed in. Raises NotOnOffer."""
    with transaction.atomic(durable=True):
        _held(transfer)
        found = _open(transfer, now=now)
        rights.close(found, Transfer.State.DECLINED, actor=actor, now=now)


def expire(*, now: datetime, limit: int = 500) -> int:
    """End offers whose time is over, each in a transaction of its own; return how many."""
    due = Transfer.objects.filter(state=Transfer.State.OPEN, expires_at__lte=now)
    ended = 0
    for vehicle_id in due.order_by("expires_at").values_list("vehicle_id", flat=True)[:limit]:
        with transaction.atomic(durable=True):
            vehicle = Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle_id)
            ended += _close_expired(vehicle, now=now)
    return ended


def forget(*, now: datetime) -> None:
    """Empty the addresses of offers that were decided long ago."""
    old = Transfer.objects.filter(decided_at__lte=now - REMEMBERED)
    old.exclude(email="").update(email="")


def find(token: str) -> Transfer:
    """The offer that a link is of, whatever became of it. Raises NotOnOffer."""
    found = _LINKS.find(token)
    if found is None:
        raise NotOnOffer
    return found


def is_open(transfer: Transfer, *, now: datetime) -> bool:
    """Whether it can still be accepted."""
    return transfer.state == Transfer.State.OPEN and now < transfer.expires_at


def of(vehicle: Vehicle, *, now: datetime) -> Transfer | None:
    """The offer of this car that waits for its buyer, if there is one."""
    waiting = Transfer.objects.filter(vehicle=vehicle, state=Transfer.State.OPEN)
    return waiting.filter(expires_at__gt=now).first()


def is_offered(vehicle: Vehicle, *, now: datetime) -> bool:
    """Whether somebody is yet to answer."""
    return of(vehicle, now=now) is not None


def comes_with(vehicle: Vehicle, *, now: datetime) -> tuple[bool, datetime | None]:
    """Whether the car has a plan of its own that no seller pays for, and until when if it ends."""
    second = int(now.timestamp())
    facts = queries.facts([vehicle.pk]).get(vehicle.pk)
    ends = [
        grant.ends_at
        for grant in (facts.grants if facts else ())
        if grant.source != "subscription" and (grant.ends_at is None or grant.ends_at > second)
    ]
    if not ends or None in ends:
        return bool(ends), None
    return True, datetime.fromtimestamp(max(end for end in ends if end), UTC)


def _held(transfer: Transfer) -> Any:
    try:
        return garage.hold(owner=transfer.seller, vehicle_id=transfer.vehicle_id)
    except garage.NotInGarage as error:
        raise NotOnOffer from error


def _open(transfer: Transfer, *, now: datetime) -> Transfer:
    """The offer as it is now that its car is held."""
    found = Transfer.objects.get(pk=transfer.pk)
    if not is_open(found, now=now):
        raise NotOnOffer
    return found


def _close_expired(vehicle: Vehicle, *, now: datetime) -> int:
    over = vehicle.transfers.filter(state=Transfer.State.OPEN, expires_at__lte=now)
    for found in over:
        rights.close(found, Transfer.State.EXPIRED, actor=None, now=now)
    return len(over)
