"""What somebody has by an ownership and loses with it: ends all of it, whatever ended that."""

from datetime import datetime
from typing import Any

from fleet import consents
from fleet.models import Ownership


def end(ownership: Ownership, *, actor: Any, now: datetime) -> None:
    """End what goes with this ownership, in the transaction that ends it, with the car locked."""
    consents.record(
        ownership.vehicle,
        given=False,
        owner=ownership.owner,
        actor=actor,
        by_itself=True,
        now=now,
    )
