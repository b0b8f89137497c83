"""What somebody has by an ownership and loses with it: ends all of it, whatever ended that."""

from datetime import datetime
from typing import Any

from fleet import consents
from fleet.models import DomainEvent, Driver, Ownership, Transfer


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
    for transfer in ownership.vehicle.transfers.filter(state=Transfer.State.OPEN):
        close(transfer, Transfer.State.ENDED, actor=actor, now=now)
    for driver in ownership.drivers.filter(state__in=Driver.ACTIVE).order_by("id"):
        let_go(driver, Driver.State.ENDED, actor=actor, now=now)


def close(transfer: Transfer, state: str, *, actor: Any, now: datetime, buyer: Any = None) -> None:
    """Decide an open offer, with its car locked; who is to know of it is told by the event."""
    transfer.state, transfer.decided_at, transfer.buyer = state, now, buyer
    transfer.save(update_fields=["state", "decided_at", "buyer"])
    DomainEvent.objects.create(
        kind=f"transfer_{state}",
        at=now,
        vehicle_id=transfer.vehicle_id,
        actor=actor,
        data={"transfer": transfer.pk},
    )


def let_go(driver: Driver, state: str, *, actor: Any, now: datetime) -> None:
    """End what a driver may see, or an invitation, with the car locked."""
    driver.state, driver.ended_at = state, now
    driver.save(update_fields=["state", "ended_at"])
    record(driver, f"driver_{state}", actor=actor, now=now)


def record(driver: Driver, kind: str, *, actor: Any, now: datetime) -> None:
    """Write down what happened to a driver."""
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        vehicle_id=driver.ownership.vehicle_id,
        actor=actor,
        data={"driver": driver.pk},
    )
