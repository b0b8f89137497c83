"""Mails about what a car has: only that something is wrong; what is well, its page says."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from connectivity.notices.rules.mail import Mail, Reader
from fleet.models import Delivery, Ownership

# By then a car that is there has been told again for seven hours: it is more than a bad moment.
SAID_AT = len(Delivery.BACKOFF)


def told_again(event: Any, _now: datetime) -> Iterator[Mail]:
    """The car does not take what it is told; said once for each change."""
    if event.data.get("retry") != SAID_AT:
        return
    owners = Ownership.objects.filter(vehicle_id=event.vehicle_id, ends_at=None)
    stuck = Delivery.objects.filter(vehicle_id=event.vehicle_id, version=event.data.get("version"))
    for ownership in owners.select_related("owner"):
        yield Mail(
            "delivery_problem",
            ownership.owner,
            {
                **Reader(ownership.owner).car(event.vehicle_id),
                "failed": event.data.get("was") == Delivery.State.FAILED,
                "reference": stuck.values_list("reference", flat=True).first() or "",
            },
        )
