"""Decides who may see a car beside its owner; they may not buy, cancel, or see what was paid.

An invitation is a link to an address, good once, for 14 days, with any account. Each decision
holds the car first. All of it ends with the ownership (fleet.rights).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from fleet import garage, rights
from fleet.links import Links
from fleet.models import Driver, Vehicle

MOST = 5  # for a car
MOST_A_DAY = 10  # invitations of one owner, so that nobody mails the world in our name
LIFETIME = timedelta(days=14)
REMEMBERED = timedelta(days=30)  # for which an address is kept after the end
_LINKS = Links(
    "fleet.drivers", Driver.objects.select_related("ownership__vehicle", "ownership__owner")
)
token = _LINKS.token  # What the link has that is mailed.


class Full(Exception):
    """The car has as many drivers as it may have."""


class InvitedAlready(Exception):
    """Who reads this address drives the car, or has been invited to."""


class ToOneself(Exception):
    """It is the owner's own address, or account."""


class TooMany(Exception):
    """This owner has invited too many people today."""


class NotInvited(Exception):
    """There is no such invitation, or it has been answered, taken back or has run out."""


def invite(*, owner: Any, vehicle_id: UUID, email: str, now: datetime) -> Driver:
    """Invite whoever reads this address.

    Raises garage.NotInGarage, Full, InvitedAlready, ToOneself, TooMany.
    """
    email = email.strip().lower()
    if email == owner.email:
        raise ToOneself
    with transaction.atomic(durable=True):
        ownership = garage.hold(owner=owner, vehicle_id=vehicle_id)
        _end_expired(ownership.vehicle, now=now)
        active = list(_active(ownership.vehicle))
        if any(email in (each.email, each.person and each.person.email) for each in active):
            raise InvitedAlready
        if len(active) >= MOST:
            raise Full
        today = Driver.objects.filter(invited_at__gt=now - timedelta(days=1))
        if today.filter(ownership__owner=owner).count() >= MOST_A_DAY:
            raise TooMany
        made = Driver.objects.create(
            ownership=ownership, email=email, invited_at=now, expires_at=now + LIFETIME
        )
        rights.record(made, "driver_invited", actor=owner, now=now)
    return made


def remove(*, owner: Any, vehicle_id: UUID, driver_id: int, now: datetime) -> bool:
    """Take a driver, or an invitation, away again; False if that is over already.

    Raises garage.NotInGarage.
    """
    with transaction.atomic(durable=True):
        vehicle = garage.hold(owner=owner, vehicle_id=vehicle_id).vehicle
        found = _active(vehicle).filter(pk=driver_id).first()
        if found is None:
            return False
        rights.let_go(found, Driver.State.REMOVED, actor=owner, now=now)
    return True


def join(*, driver: Driver, person: Any, now: datetime) -> UUID:
    """Let who accepts an invitation see the car; return its id. Raises NotInvited, ToOneself."""
    if person.pk == driver.ownership.owner_id:
        raise ToOneself
    vehicle_id = driver.ownership.vehicle_id
    with transaction.atomic(durable=True):
        found = _answerable(driver, now=now)
        if _joined(person).filter(ownership=found.ownership).exists():
            # By another address; one seat is enough.
            rights.let_go(found, Driver.State.DECLINED, actor=person, now=now)
            return vehicle_id
        found.state, found.person, found.joined_at = Driver.State.JOINED, person, now
        found.save(update_fields=["state", "person", "joined_at"])
        rights.record(found, "driver_joined", actor=person, now=now)
    return vehicle_id


def decline(*, driver: Driver, actor: Any, now: datetime) -> None:
    """Say no; `actor` is None for somebody who has not signed in. Raises NotInvited."""
    with transaction.atomic(durable=True):
        found = _answerable(driver, now=now)
        rights.let_go(found, Driver.State.DECLINED, actor=actor, now=now)


def leave(*, person: Any, vehicle_id: UUID, now: datetime) -> bool:
    """Drive a car no more, by the driver's own word; False if they do not."""
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).filter(pk=vehicle_id).first()
        found = _joined(person).filter(ownership__vehicle=vehicle).first() if vehicle else None
        if found is None:
            return False
        rights.let_go(found, Driver.State.LEFT, actor=person, now=now)
    return True


def leave_all(*, person: Any, now: datetime) -> None:
    """Drive no car any more; safe to repeat."""
    for vehicle_id in list(_joined(person).values_list("ownership__vehicle_id", flat=True)):
        leave(person=person, vehicle_id=vehicle_id, now=now)


def expire(*, now: datetime, limit: int = 500) -> int:
    """End invitations whose time is over, by car; return how many."""
    due = Driver.objects.filter(state=Driver.State.INVITED, expires_at__lte=now)
    ended = 0
    cars = due.order_by("expires_at").values_list("ownership__vehicle_id", flat=True)
    for vehicle_id in dict.fromkeys(cars[:limit]):
        with transaction.atomic(durable=True):
            vehicle = Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle_id)
            ended += _end_expired(vehicle, now=now)
    return ended


def forget(*, now: datetime) -> None:
    """Empty the addresses of who drives no more for long."""
    old = Driver.objects.filter(ended_at__lte=now - REMEMBERED)
    old.exclude(email="").update(email="")


def find(token: str) -> Driver:
    """The invitation that a link is of, whatever became of it. Raises NotInvited."""
    found = _LINKS.find(token)
    if found is None:
        raise NotInvited
    return found


def is_open(driver: Driver, *, now: datetime) -> bool:
    """Whether it can still be accepted."""
    return driver.state == Driver.State.INVITED and now < driver.expires_at


def of(vehicle: Vehicle, *, now: datetime) -> Sequence[Driver]:
    """Who drives this car, and who has been invited to and may still answer; the first first."""
    return [
        each
        for each in _active(vehicle)
        if each.state == Driver.State.JOINED or is_open(each, now=now)
    ]


def driven_by(person: Any) -> list[Vehicle]:
    """The cars of others that this person may see, the longest known first."""
    rows = _joined(person).select_related("ownership__vehicle").order_by("joined_at", "id")
    return [row.ownership.vehicle for row in rows]


def driven(*, person: Any, vehicle_id: UUID) -> Driver:
    """The place of a driver of this car. Raises garage.NotInGarage."""
    rows = _joined(person).filter(ownership__vehicle_id=vehicle_id)
    related = rows.select_related("ownership__vehicle", "ownership__owner")
    found: Driver | None = related.first()
    if found is None:
        raise garage.NotInGarage
    return found


def _joined(person: Any) -> Any:
    return Driver.objects.filter(person=person, state=Driver.State.JOINED, ownership__ends_at=None)


def _active(vehicle: Vehicle) -> Any:
    rows = Driver.objects.filter(ownership__vehicle=vehicle, ownership__ends_at=None)
    return rows.filter(state__in=Driver.ACTIVE).select_related("person", "ownership").order_by("id")


def _answerable(driver: Driver, *, now: datetime) -> Driver:
    """The invitation as it is now that its car is held."""
    Vehicle.objects.select_for_update(no_key=True).get(pk=driver.ownership.vehicle_id)
    found = Driver.objects.select_related("ownership").get(pk=driver.pk)
    if not is_open(found, now=now):
        raise NotInvited
    return found


def _end_expired(vehicle: Vehicle, *, now: datetime) -> int:
    over = _active(vehicle).filter(state=Driver.State.INVITED, expires_at__lte=now)
    for found in over:
        rights.let_go(found, Driver.State.EXPIRED, actor=None, now=now)
    return len(over)
