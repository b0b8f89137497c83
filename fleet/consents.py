"""Keeps what owners say about fleet learning, and has the car told; decides nothing of who may.

A consent holds while its owner has the car: whoever ends an ownership withdraws it here.
"""

from datetime import datetime
from typing import Any

from billing import queries, subjects
from fleet.models import Consent, DomainEvent, Vehicle

TEXT = "1"  # Of templates/garage/learning_text.html: other words are another version.


def record(
    vehicle: Vehicle, *, given: bool, owner: Any, actor: Any, now: datetime, by_itself: bool = False
) -> bool:
    """Write down what the car's owner says, in the caller's transaction with the car locked.

    `by_itself` if it ends with the ownership. False, and nothing is changed, if it is so already.
    """
    if vehicle.fleet_learning == given:
        return False
    vehicle.fleet_learning = given
    vehicle.save(update_fields=["fleet_learning"])
    subjects.bump([vehicle.pk], now=now)
    version = queries.version(vehicle.pk)
    before = newest(vehicle)
    text = TEXT if given or before is None else before.text
    Consent.objects.create(
        vehicle=vehicle, owner=owner, given=given, text=text, at=now, version=version
    )
    DomainEvent.objects.create(
        kind="learning_allowed" if given else "learning_withdrawn",
        at=now,
        vehicle=vehicle,
        actor=actor,
        data={"owner": str(owner.pk), "text": text, "version": version, "by_itself": by_itself},
    )
    return True


def newest(vehicle: Vehicle) -> Consent | None:
    """The last thing that was said about this car."""
    return Consent.objects.filter(vehicle=vehicle).order_by("-id").first()
