"""Decides who may allow fleet learning with a car, and how that stands in the car itself.

It must never say that a car does as it was told before the car has confirmed it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import OuterRef, Subquery

from fleet import consents, garage
from fleet.models import Consent, Delivery, Vehicle


class OtherText(Exception):
    """The words have changed since they were shown: they are to be read anew."""


@dataclass(frozen=True, slots=True)
class Learning:
    """What the owner has said, and since when the car does it; None while it has not said so."""

    given: bool
    since: datetime | None
    confirmed_at: datetime | None
    text: str = consents.TEXT

    @property
    def moving(self) -> bool:
        """Whether the car has still to confirm what was said."""
        return self.since is not None and self.confirmed_at is None


def allow(*, owner: Any, vehicle_id: UUID, text: str, now: datetime) -> bool:
    """Record that the owner has allowed it, in this version of the words; False if it was so.

    Raises garage.NotInGarage, OtherText.
    """
    with transaction.atomic(durable=True):
        vehicle = garage.hold(owner=owner, vehicle_id=vehicle_id).vehicle
        if not vehicle.has_modem:
            raise garage.NotInGarage  # Its page does not ask.
        if text != consents.TEXT:
            raise OtherText
        return consents.record(vehicle, given=True, owner=owner, actor=owner, now=now)


def withdraw(*, owner: Any, vehicle_id: UUID, now: datetime) -> bool:
    """Take it back, whatever the words were; False if it was so. Raises garage.NotInGarage."""
    with transaction.atomic(durable=True):
        vehicle = garage.hold(owner=owner, vehicle_id=vehicle_id).vehicle
        return consents.record(vehicle, given=False, owner=owner, actor=owner, now=now)


def of(vehicle: Vehicle) -> Learning | None:
    """How it stands with a car; None for one that could not be told. In one query."""
    if not vehicle.has_modem:
        return None
    said = _with_confirmation(vehicle).order_by("-id").first()
    if said is None:
        return Learning(given=False, since=None, confirmed_at=None)
    return Learning(said.given, said.at, said.confirmed_at)


def _with_confirmation(vehicle: Vehicle) -> Any:
    """What was said, with when the unit that is in the car now first had that, or what came after.

    What a unit confirmed that was taken out since is no word of the one that is in.
    """
    rows = Delivery.objects.filter(
        vehicle=vehicle, version__gte=OuterRef("version"), state=Delivery.State.APPLIED
    )
    if vehicle.key_replaced_at is not None:
        rows = rows.filter(applied_at__gt=vehicle.key_replaced_at)
    first = Subquery(rows.order_by("applied_at").values("applied_at")[:1])
    return Consent.objects.filter(vehicle=vehicle).annotate(confirmed_at=first)
