"""Gives a car some days of Premium on the staff's word, and sees that its owner hears of it.

Whether somebody deserves it is not decided here.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import grants, queries
from billing.grants import Goodwill, HasItForGood
from fleet.models import Ownership, Vehicle

__all__ = ["CannotUseIt", "Goodwill", "HasItForGood", "give"]


class CannotUseIt(Exception):
    """The car has no modem, or is no longer in service: Premium would be nothing to it."""


def give(
    *,
    vehicle_id: UUID,
    days: int,
    afterwards: bool,
    reason: str,
    token: str,
    actor: Any,
    now: datetime,
) -> Goodwill:
    """Give Premium for some days: from now, or `afterwards`, from the end of what the car has.

    The same token is the same wish. Raises CannotUseIt, HasItForGood.
    """
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle_id)
        if vehicle.removed_at is not None:
            raise CannotUseIt("This car is no longer in service.")
        if not vehicle.has_modem:
            raise CannotUseIt("This car has no modem: it cannot take Premium.")
        owned = Ownership.objects.filter(vehicle=vehicle, ends_at=None).select_related("owner")
        ownership = owned.first()
        return grants.goodwill(
            subject_id=vehicle_id,
            plan=queries.PREMIUM,
            days=days,
            afterwards=afterwards,
            reason=reason,
            token=token,
            told=ownership.owner if ownership else None,
            actor=actor,
            now=now,
        )
