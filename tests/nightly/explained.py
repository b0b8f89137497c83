"""What became of each delivery, from all sides: the rows, the events, the site, the cars' memories.

Each line that it yields is something that must not be; nothing is repaired.
"""

import itertools
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from billing import clock, queries
from billing.models import Change
from billing.models import DomainEvent as Paid
from fleet import snapshots
from fleet.models import Delivery, DomainEvent, Vehicle
from tests.nightly.cars import Car

ENDED = {Delivery.State.APPLIED, Delivery.State.SUPERSEDED, Delivery.State.FAILED}
MINUTE = timedelta(minutes=1)
GIFTS = ("grant_given", "grant_ended")


class Books:
    """All that is on record of these cars, read at one time."""

    def __init__(self, cars: Mapping[UUID, Car], site: str) -> None:
        self.cars, ids = cars, list(cars)
        # In this order: what a car has said by now is on record in what is read after it.
        self.said = {one: dict(car.said) for one, car in cars.items()}
        self.waiting = Change.objects.count()
        self.at_site = dict(zip(ids, snapshots.versions(site, ids), strict=True))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self._read(ids)

    def _read(self, ids: list[UUID]) -> None:
        """What the rows say, all of one moment."""
        self.versions = queries.versions(ids)
        self.deliveries: defaultdict[UUID | None, dict[int, Delivery]] = defaultdict(dict)
        for row in Delivery.objects.filter(vehicle_id__in=ids):
            self.deliveries[row.vehicle_id][row.version] = row
        self.gifts = list(Paid.objects.filter(subject_id__in=ids, kind__in=GIFTS))
        self.changes: defaultdict[UUID | None, list[datetime]] = defaultdict(list)
        for gift in self.gifts:
            self.changes[gift.subject_id].append(gift.at)
        self.ends: defaultdict[UUID | None, Counter[tuple[str, int]]] = defaultdict(Counter)
        for event in DomainEvent.objects.filter(vehicle_id__in=ids):
            if event.kind == "delivery_retried":
                self.changes[event.vehicle_id].append(event.at)
            elif event.kind in ("delivery_applied", "delivery_failed"):
                self.ends[event.vehicle_id][event.kind, event.data["version"]] += 1

    @property
    def rows(self) -> list[Delivery]:
        """Each delivery."""
        return [row for mine in self.deliveries.values() for row in mine.values()]

    def under_way(self) -> str:
        """What is still to come, in words; empty if nothing is."""
        behind = sum(self.versions[one] not in said for one, said in self.said.items())
        open_ = Counter(row.state for row in self.rows if row.state not in ENDED)
        if not (behind or open_ or self.waiting):
            return ""
        return f"{behind} cars behind, deliveries {dict(open_)}, {self.waiting} changes not told"

    def wrong(self, tokens: list[str]) -> Iterator[str]:
        """What is not as it must be."""
        yield from self._changed_once(tokens)
        for one, car in self.cars.items():
            yield from self._explained(one)
            yield from self._as_said(car)
            yield from self._holds_the_last(car)

    def _changed_once(self, tokens: list[str]) -> Iterator[str]:
        """Each wish came to pass once, and each change is one version."""
        given = Counter(gift.data.get("token") for gift in self.gifts)
        yield from (
            f"wish {each} came to pass {given[each]} times" for each in tokens if given[each] != 1
        )
        for one, version in self.versions.items():
            if version != 1 + len(self.changes[one]):
                yield f"{one} has version {version} after {len(self.changes[one])} changes"

    def _explained(self, one: UUID) -> Iterator[str]:
        """Each delivery has ended, and what was superseded was so by a newer one."""
        mine = self.deliveries[one]
        if max(mine, default=0) != self.versions[one]:
            yield f"{one}: no delivery of its last version {self.versions[one]}"
        for version, row in mine.items():
            if row.state not in ENDED:
                yield f"{one}: delivery {row.reference} v{version} is {row.state}"
            if row.state == Delivery.State.SUPERSEDED and version == self.versions[one]:
                yield f"{one}: v{version} is superseded, and nothing is newer"
            if row.state == Delivery.State.FAILED and not row.reason:
                yield f"{one}: v{version} failed without a reason"

    def _as_said(self, car: Car) -> Iterator[str]:
        """Rows and events say of each version what the car said, once."""
        events = self.ends[car.id]
        yield from (
            f"{car.id}: {what} is on record {n} times" for what, n in events.items() if n > 1
        )
        applied = {v for v, row in self.deliveries[car.id].items() if row.state == "applied"}
        said = {version for version, result in self.said[car.id].items() if result == "applied"}
        for version in applied ^ said:
            row = self.deliveries[car.id].get(version)
            state = row.state if row else "not there"
            result = self.said[car.id].get(version)
            yield f"{car.id} said {result} of v{version}, and on record it is {state}"
        if {version for kind, version in events if kind == "delivery_applied"} != said:
            yield f"{car.id}: events of what was applied differ from what the car said"

    def _holds_the_last(self, car: Car) -> Iterator[str]:
        """Car and site hold the last version, and the car holds what follows from the rows."""
        versions = {car.held[0], self.at_site[car.id], self.versions[car.id]}
        if len(versions) > 1:
            yield f"{car.id}: car, site and rows have versions {versions}"
        vehicle = Vehicle.objects.get(id=car.id)
        due = queries.entitlement(car.id, vehicle.traits, now=clock.now())
        if (due.plan, list(due.features)) != (car.document["plan"], car.document["features"]):
            yield f"{car.id} holds {car.document['plan']} and is due {due.plan}"

    def silences(self, kills: Iterable[datetime]) -> Iterator[float]:
        """After each kill, the longest time within the next minute in which nothing was applied."""
        applied = sorted(row.applied_at for row in self.rows if row.applied_at)
        for at in kills:
            after = applied[bisect_left(applied, at) : bisect_left(applied, at + MINUTE) + 1]
            spans = itertools.pairwise([at, *after])
            yield max(((until - since).total_seconds() for since, until in spans), default=0.0)

    def times(self) -> list[float]:
        """Of each change: after how many seconds its car has reported it, or a newer one."""
        found: list[float] = []
        for one, instants in self.changes.items():
            heard = {v: at for v, row in self.deliveries[one].items() if (at := _heard_at(row))}
            known = sorted(heard)
            for number, made in enumerate(sorted(instants)):
                # The first version is the one with which the car was imported.
                later = known[bisect_left(known, number + 2) :]
                if later:
                    told = min(heard[version] for version in later)
                    found.append((told - made).total_seconds())
        return sorted(found)


def _heard_at(row: Delivery) -> datetime | None:
    """When the car has said what became of it."""
    return row.applied_at or (row.stuck_at if row.reason else None)
