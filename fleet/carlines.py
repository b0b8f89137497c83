"""The car's own truth, as far as it has said: what pages show beside the billing truth.

It must never say "active" of anything that the car has not confirmed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from billing import queries
from billing.catalog import STANDARD, Catalog
from billing.entitlements import Grant, resolve
from billing.queries import Facts
from fleet.models import Delivery, Vehicle

ASLEEP = timedelta(hours=24)
LATE = timedelta(minutes=1)
ON_ITS_WAY = {
    Delivery.State.PENDING: "queued",
    Delivery.State.SENT: "sent",
    Delivery.State.FAILED: "failed",
}


@dataclass(frozen=True, slots=True)
class CarLine:
    """What is known of a plan in the car.

    `state` is one of none, queued, late, sent, asleep, unconfirmed, failed, given_up, active,
    removing, removed. `reference` is what support asks for.
    """

    state: str
    since: datetime | None = None
    last_contact_at: datetime | None = None
    reference: str = ""
    reason: str = ""


def car_line(vehicle: Vehicle, *, now: datetime) -> CarLine:
    """What is known of this car, whoever owned it when."""
    return car_lines([vehicle], now=now, owned_since={})[vehicle.id]


def car_lines(
    vehicles: Iterable[Vehicle],
    *,
    now: datetime,
    owned_since: Mapping[UUID, datetime],
    picture: queries.Picture | None = None,
) -> dict[UUID, CarLine]:
    """What is known of these cars, in a fixed number of queries.

    What was switched off before `owned_since`, an instant for each car's id, is the previous
    owner's business; a car without one keeps its whole past. `picture` is given by who has it.
    """
    cars = list(vehicles)
    known = picture or queries.picture([car.id for car in cars])
    facts, sold = known.facts, known.sold
    told = _deliveries(cars)
    return {
        car.id: _of_owner(
            _line(car, told[car.id], facts[car.id], _Rule(sold, car.traits, car.id), now=now),
            owned_since.get(car.id),
        )
        for car in cars
        if car.id in facts
    }


def _of_owner(line: CarLine, owned_since: datetime | None) -> CarLine:
    before = owned_since and line.since and line.since < owned_since
    if line.state == "removed" and before:
        return CarLine("none", last_contact_at=line.last_contact_at)
    return line


@dataclass(frozen=True, slots=True)
class _Rule:
    """The rule as one car follows it."""

    sold: Catalog
    traits: frozenset[str]
    car_id: UUID

    def plan(self, grants: Sequence[Grant], at: datetime) -> str:
        """The plan that these grants give at an instant."""
        return resolve(grants, self.sold, self.traits, self.car_id, int(at.timestamp())).plan

    def since(self, grants: Sequence[Grant], at: datetime) -> datetime | None:
        """When time alone brought the plan of that instant about; None if it never did."""
        edges = [edge for grant in grants for edge in (grant.starts_at, grant.ends_at) if edge]
        for edge in sorted(edges, reverse=True):
            turned = datetime.fromtimestamp(edge, UTC)
            before = turned - timedelta(seconds=1)
            if turned <= at and self.plan(grants, before) != self.plan(grants, at):
                return turned
        return None


def _deliveries(cars: Sequence[Vehicle]) -> defaultdict[UUID, list[Delivery]]:
    """Each car's deliveries, the newest first."""
    told: defaultdict[UUID, list[Delivery]] = defaultdict(list)
    for row in Delivery.objects.filter(vehicle__in=cars).order_by("-version"):
        told[row.vehicle_id].append(row)
    return told


def _line(
    car: Vehicle, told: list[Delivery], facts: Facts, rule: _Rule, *, now: datetime
) -> CarLine:
    due = rule.plan(facts.grants, now)
    applied = [
        _Applied(row, at, facts.grants if row.version == facts.version else _grants(row))
        for row in told
        if (at := _applied_at(car, row))
    ]
    confirmed = bool(applied) and _agree(applied[0], told, rule, due, now)
    ends = [now, *(each.at for each in applied)]
    if due == STANDARD and not any(map(_Applied.gave_a_plan, applied, ends)):
        return CarLine("none", last_contact_at=car.last_contact_at)
    if confirmed:
        state = "removed" if due == STANDARD else "active"
        return _with(car, applied[0].row, state, since=_since(applied, rule, due, now))
    if due == STANDARD:
        return _with(car, applied[0].row, "removing")
    return _under_way(car, told, facts.version, now=now)


def _agree(
    last: "_Applied", told: Sequence[Delivery], rule: _Rule, due: str, now: datetime
) -> bool:
    """Whether the car can have nothing but the plan that is due.

    The last version that it confirmed gives it, and so does each newer one that may have reached it
    without a word from the car.
    """
    newer = [_grants(row) for row in told if row.version > last.row.version and row.sent_at]
    return all(rule.plan(grants, now) == due for grants in (last.grants, *newer))


@dataclass(frozen=True, slots=True)
class _Applied:
    """A version that the car said it has, since when, and the grants by which it went then."""

    row: Delivery
    at: datetime
    grants: tuple[Grant, ...]

    def gave_a_plan(self, until: datetime) -> bool:
        """Whether the car has had more than Standard by it, at once or by the clock until then."""
        seconds = range(int(self.at.timestamp()) + 1, int(until.timestamp()) + 1)
        return self.row.plan != STANDARD or any(
            grant.starts_at in seconds and grant.ends_at != grant.starts_at for grant in self.grants
        )


def _applied_at(car: Vehicle, row: Delivery) -> datetime | None:
    """When the unit that is in the car now has applied this; a swapped one confirmed nothing."""
    at = row.applied_at if row.state == Delivery.State.APPLIED else None
    since = car.key_replaced_at
    return at if at and (since is None or at > since) else None


def _grants(row: Delivery) -> tuple[Grant, ...]:
    return tuple(Grant(*grant) for grant in row.grants)


def _under_way(car: Vehicle, told: list[Delivery], version: int, *, now: datetime) -> CarLine:
    if not told or told[0].version != version:
        return CarLine("queued", last_contact_at=car.last_contact_at)
    state = ON_ITS_WAY.get(Delivery.State(told[0].state), "sent")
    if state == "queued" and told[0].changed_at < now - LATE:
        state = "late"
    elif state == "failed" and told[0].retries >= Delivery.MOST:
        state = "given_up"
    elif state == "sent" and told[0].stuck_at:
        state = "unconfirmed"
    silent = car.last_contact_at is None or car.last_contact_at < now - ASLEEP
    if silent and state in ("sent", "unconfirmed"):
        state = "asleep"
    return _with(car, told[0], state)


def _since(applied: list[_Applied], rule: _Rule, plan: str, now: datetime) -> datetime:
    """Since when the car has had this plan, through all versions that gave it without a gap."""
    since = now
    for each in applied:
        if rule.plan(each.grants, since) != plan:
            break
        turned = rule.since(each.grants, since)
        if turned is not None and turned > each.at:
            return turned
        since = each.at
    return since


def _with(car: Vehicle, row: Delivery, state: str, *, since: datetime | None = None) -> CarLine:
    return CarLine(state, since, car.last_contact_at, row.reference, row.reason)
