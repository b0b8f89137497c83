"""An owner leaves: every car goes out of the garage, and what they claim is claimed no more.

Nor do they drive a car of somebody else's.
"""

from datetime import datetime
from typing import Any

from fleet import drivers, garage
from fleet.models import Claim, Ownership


def leave(*, owner: Any, now: datetime) -> None:
    """Release all cars of this owner and close their claims; safe to repeat."""
    mine = Ownership.objects.filter(owner=owner, ends_at=None).order_by("starts_at", "id")
    for vehicle_id in mine.values_list("vehicle_id", flat=True):
        try:
            garage.release(owner=owner, vehicle_id=vehicle_id, now=now)
        except garage.NotInGarage:
            continue  # It has gone in this very moment.
    drivers.leave_all(person=owner, now=now)
    for claim in Claim.objects.filter(claimant=owner, state__in=Claim.UNDECIDED):
        try:
            reason = "The account of who claimed it is closed."
            garage.decide(claim, grant=False, reason=reason, actor=owner, now=now)
        except garage.ClaimClosed:
            continue
