"""Well-formed lines into rows: decides what is new, what has changed and what contradicts a car.

It must never change a key, an owner or what was granted before: those have their own ways.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import connection, transaction

from billing import subjects
from billing.grants import Gift, give_many
from fleet.imports.lines import KEY_TAKEN, BadLine, Connectivity, Line
from fleet.models import DomainEvent, Vehicle

TRIAL = timedelta(days=30)
PREMIUM = "premium"
_ONE_AT_A_TIME = 7_319_028_461  # The key of the advisory lock: any number that nobody else uses.


class Contradiction(ValueError):
    """The line says what cannot be true of the car that is known; the message says what."""


@dataclass(slots=True)
class Tally:
    """What became of a batch."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: list[BadLine] = field(default_factory=list)


def record(lines: Sequence[Line], *, now: datetime) -> Tally:
    """Record these lines, of as many different cars, in one durable transaction."""
    tally = Tally()
    if not lines:
        return tally
    with transaction.atomic(durable=True):
        _wait_for_other_imports()
        known = Vehicle.objects.in_bulk([line.vin.text for line in lines], field_name="vin")
        fresh = list(_new(lines, known, tally))
        changed = list(_changes(lines, known, tally))
        _add(fresh, now=now)
        _change(changed, now=now)
    tally.added, tally.changed = len(fresh), len(changed)
    tally.unchanged = len(lines) - len(fresh) - len(changed) - len(tally.bad)
    return tally


def _wait_for_other_imports() -> None:
    # Two imports of one car would otherwise both find it unknown.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ONE_AT_A_TIME])


def _new(lines: Sequence[Line], known: dict[str, Vehicle], tally: Tally) -> Iterator[Line]:
    new = [line for line in lines if line.vin.text not in known]
    theirs = Vehicle.objects.filter(public_key__in=[line.public_key for line in new])
    taken = set(theirs.values_list("public_key", flat=True))
    for line in new:
        if line.public_key in taken:
            tally.bad.append(BadLine(line.number, KEY_TAKEN))
        else:
            yield line


def _add(lines: Sequence[Line], *, now: datetime) -> None:
    vehicles = [_vehicle(line, now) for line in lines]
    subjects.create([vehicle.id for vehicle in vehicles], now=now)
    Vehicle.objects.bulk_create(vehicles)
    pairs = list(zip(vehicles, lines, strict=True))
    give_many([gift for vehicle, line in pairs for gift in _gifts(vehicle, line)], now=now)
    DomainEvent.objects.bulk_create(
        DomainEvent(
            kind="vehicle_imported",
            at=now,
            vehicle=vehicle,
            data={"line": line.number, "connectivity": line.connectivity},
            noticed_at=now,  # Nobody is told of an import, and there are millions.
        )
        for vehicle, line in pairs
    )


def _vehicle(line: Line, now: datetime) -> Vehicle:
    return Vehicle(
        vin=line.vin.text,
        model=line.model,
        hardware=line.hardware,
        market=line.market,
        delivered_on=line.delivered_on,
        public_key=line.public_key,
        lifetime_premium=_is_lifetime(line),
        created_at=now,
    )


def _is_lifetime(line: Line) -> bool:
    return line.connectivity == Connectivity.LIFETIME and not line.wants_premium_in_vain


def _gifts(vehicle: Vehicle, line: Line) -> Iterator[Gift]:
    if line.wants_premium_in_vain:
        return
    if line.connectivity == Connectivity.LIFETIME:
        # It was in the car when it left the factory, whoever drives it and since when.
        since = _midnight(line) if line.delivered_on else vehicle.created_at.replace(microsecond=0)
        yield Gift(vehicle.id, PREMIUM, "factory", since, None)
    elif line.connectivity == Connectivity.TRIAL and line.delivered_on:
        begins = _midnight(line)
        yield Gift(vehicle.id, PREMIUM, "trial", begins, begins + TRIAL)


def _midnight(line: Line) -> datetime:
    assert line.delivered_on is not None  # noqa: S101 -- both callers have looked
    return datetime.combine(line.delivered_on, time(), UTC)


@dataclass(frozen=True, slots=True)
class _Change:
    vehicle: Vehicle
    line: Line
    facts: dict[str, Any]


def _changes(lines: Iterable[Line], known: dict[str, Vehicle], tally: Tally) -> Iterator[_Change]:
    for line in lines:
        vehicle = known.get(line.vin.text)
        if vehicle is None:
            continue
        try:
            _agree(vehicle, line)
        except Contradiction as error:
            tally.bad.append(BadLine(line.number, str(error)))
            continue
        facts = _differing(vehicle, line)
        if facts:
            yield _Change(vehicle, line, facts)


def _agree(vehicle: Vehicle, line: Line) -> None:
    """Raise Contradiction where the line would change what an import must not change."""
    if vehicle.removed_at is not None:
        raise Contradiction("vin: this car was removed from the fleet.")
    if vehicle.public_key != line.public_key:
        raise Contradiction(
            "public_key: this car is known with another key. If its unit was swapped, staff "
            "replace the key on the car's page."
        )
    if vehicle.delivered_on and line.delivered_on not in (None, vehicle.delivered_on):
        raise Contradiction(
            f"delivered_on: this car is known to have been delivered on {vehicle.delivered_on}."
        )
    if vehicle.lifetime_premium != _is_lifetime(line):
        was = "with" if vehicle.lifetime_premium else "without"
        raise Contradiction(f"connectivity: this car is known {was} lifetime Premium.")


def _differing(vehicle: Vehicle, line: Line) -> dict[str, Any]:
    facts: dict[str, Any] = {
        name: getattr(line, name)
        for name in ("model", "hardware", "market")
        if getattr(vehicle, name) != getattr(line, name)
    }
    if vehicle.delivered_on is None and line.delivered_on:
        facts["delivered_on"] = line.delivered_on
    return facts


def _change(changes: Sequence[_Change], *, now: datetime) -> None:
    if not changes:
        return
    ids = [change.vehicle.id for change in changes]
    # The car first and then its subject, as everybody in fleet locks them: no deadlock.
    list(Vehicle.objects.select_for_update(no_key=True).filter(id__in=ids).order_by("id"))
    subjects.bump(ids, now=now)
    for change in changes:
        for name, value in change.facts.items():
            setattr(change.vehicle, name, value)
    Vehicle.objects.bulk_update(
        [change.vehicle for change in changes], ["model", "hardware", "market", "delivered_on"]
    )
    # A trial begins when the car is known to be delivered; lifetime Premium has begun before.
    delivered = [
        change
        for change in changes
        if "delivered_on" in change.facts and change.line.connectivity == Connectivity.TRIAL
    ]
    give_many([gift for each in delivered for gift in _gifts(each.vehicle, each.line)], now=now)
    DomainEvent.objects.bulk_create(
        DomainEvent(
            kind="vehicle_changed",
            at=now,
            vehicle=change.vehicle,
            data={name: str(value) for name, value in change.facts.items()},
            noticed_at=now,
        )
        for change in changes
    )
