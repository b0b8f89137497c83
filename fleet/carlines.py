"""The car's own truth, as far as it has said: what pages show beside the billing truth.

It must never say "active" of anything that the car has not confirmed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from billing import queries
from billing.catalog import STANDARD
from billing.entitlements import Entitlement, resolve
from fleet.models import Delivery, Vehicle

ASLEEP = timedelta(hours=24)
ON_ITS_WAY = {
    Delivery.State.PENDING: "queued",
    Delivery.State.SENT: "sent",
    Delivery.State.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class CarLine:
    """What is known of a plan in the car.

    `state` is one of none, queued, sent, asleep, failed, active, removing, removed. `reference` is
    what support asks for.
    """

    state: str
    since: datetime | None = None
    last_contact_at: datetime | None = None
    reference: str = ""
    reason: str = ""


def car_line(vehicle: Vehicle, *, now: datetime) -> CarLine:
    """What is known of this car."""
    return car_lines([vehicle], now=now)[vehicle.id]


def car_lines(vehicles: Iterable[Vehicle], *, now: datetime) -> dict[UUID, CarLine]:
    """What is known of these cars, in a fixed number of queries."""
    cars = list(vehicles)
    facts, sold = queries.facts([car.id for car in cars]), queries.catalog()
    told = _deliveries(cars)
    return {
        car.id: _line(
            car,
            told[car.id],
            resolve(facts[car.id].grants, sold, car.traits, int(now.timestamp())),
            version=facts[car.id].version,
            now=now,
        )
        for car in cars
        if car.id in facts
    }


def _deliveries(cars: Sequence[Vehicle]) -> defaultdict[UUID, list[Delivery]]:
    """Each car's deliveries, the newest first."""
    told: defaultdict[UUID, list[Delivery]] = defaultdict(list)
    for row in Delivery.objects.filter(vehicle__in=cars).order_by("-version"):
        told[row.vehicle_id].append(row)
    return told


def _line(
    car: Vehicle, told: list[Delivery], verdict: Entitlement, *, version: int, now: datetime
) -> CarLine:
    applied = [row for row in told if _applied_by_its_unit(car, row)]
    confirmed = _confirmed(applied, verdict, version)
    if verdict.plan == STANDARD:
        return _switching_off(car, applied, confirmed=confirmed)
    if confirmed:
        return _with(car, applied[0], "active", since=_since(applied))
    if not told:
        return CarLine("queued", last_contact_at=car.last_contact_at)
    return _under_way(car, told[0], now=now)


def _applied_by_its_unit(car: Vehicle, row: Delivery) -> bool:
    """Whether the unit that is in the car now has applied this; a swapped one confirmed nothing."""
    since = car.key_replaced_at
    return row.applied_at is not None and (since is None or row.applied_at > since)


def _confirmed(applied: list[Delivery], verdict: Entitlement, version: int) -> bool:
    """Whether the car said that it has what the verdict says.

    A car that applied the present version has the same facts as we, and follows them by the clock;
    one that applied an older version has the plan if that version gave it.
    """
    return bool(applied) and (applied[0].version == version or applied[0].plan == verdict.plan)


def _switching_off(car: Vehicle, applied: list[Delivery], *, confirmed: bool) -> CarLine:
    had = [row for row in applied if row.plan != STANDARD]
    if not had:
        return CarLine("none", last_contact_at=car.last_contact_at)
    if not confirmed:
        return _with(car, applied[0], "removing", since=None)
    return _with(car, applied[0], "removed", since=applied[0].applied_at)


def _under_way(car: Vehicle, newest: Delivery, *, now: datetime) -> CarLine:
    state = ON_ITS_WAY.get(Delivery.State(newest.state), "sent")
    silent = car.last_contact_at is None or car.last_contact_at < now - ASLEEP
    return _with(car, newest, "asleep" if state == "sent" and silent else state, since=None)


def _since(applied: list[Delivery]) -> datetime | None:
    """Since when the car has had it: the first of the latest unbroken run of this plan."""
    since = applied[0].applied_at
    for row in applied:
        if row.plan != applied[0].plan:
            break
        since = row.applied_at
    return since


def _with(car: Vehicle, row: Delivery, state: str, *, since: datetime | None) -> CarLine:
    return CarLine(state, since, car.last_contact_at, row.reference, row.reason)
