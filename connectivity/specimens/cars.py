"""The states of a delivery, on the page of a car that is paid for: what the car is known to have.

It must never decide what a state means: see fleet.carlines.
"""

from datetime import datetime, timedelta
from typing import Any

from billing import specimens as money
from connectivity.specimens.registry import Group, Shown, of_car
from fleet import specimens as cars
from fleet.models import Delivery, Vehicle

states = Group("Car")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def _paid(owner: Any, now: datetime, **car: Any) -> Vehicle:
    vehicle = cars.car(owner, now=now, **car)
    money.subscription(owner, vehicle.id, now=now, created_at=now - HOUR)
    return vehicle


def _add(title: str, state: str, ago: timedelta, **facts: Any) -> None:
    """A state that follows from one delivery; `silent_for` is how long the car has been."""
    silent_for = facts.pop("silent_for", timedelta(minutes=2))
    stuck = facts.pop("stuck", False)

    def build(owner: Any, now: datetime) -> Shown:
        heard = now - silent_for if silent_for else None
        vehicle = _paid(owner, now, last_contact_at=heard)
        at = now - ago
        cars.told(vehicle, state, at=at, **facts, **({"stuck_at": at} if stuck else {}))
        return of_car(vehicle.id)

    states.add(title, build)


_SECONDS = timedelta(seconds=5)
_add("queued", "pending", _SECONDS)
_add("queued, late", "pending", 10 * HOUR)
_add("sent", "sent", _SECONDS)
_add("sent, not confirmed", "sent", HOUR, stuck=True)
_add("offline", "sent", HOUR, silent_for=3 * DAY)
_add("never online", "sent", HOUR, silent_for=None)
_add("active", "applied", HOUR)
_add("failed", "failed", HOUR, stuck=True, reason="Not enough storage")
_add("given up", "failed", 14 * DAY, stuck=True, retries=Delivery.MOST)


@states.state("standard")
def _standard(owner: Any, now: datetime) -> Shown:
    return of_car(cars.car(owner, now=now).id)


@states.state("being switched off")
def _removing(owner: Any, now: datetime) -> Shown:
    return of_car(_ended(owner, now).id)


@states.state("switched off")
def _removed(owner: Any, now: datetime) -> Shown:
    vehicle = _ended(owner, now)
    cars.told(vehicle, "applied", at=now - HOUR, plan="standard")
    return of_car(vehicle.id)


def _ended(owner: Any, now: datetime) -> Vehicle:
    """A car that had Premium, of which it has not said that it is gone."""
    vehicle = cars.car(owner, now=now)
    money.gift(vehicle.id, "goodwill", now=now - 17 * DAY, ends_at=None)
    cars.told(vehicle, "applied", at=now - 20 * DAY)
    money.took_back(vehicle.id, at=now - 2 * HOUR)
    return vehicle
