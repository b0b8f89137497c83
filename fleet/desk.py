"""Where the cars of one event loop ask: their facts from the site, or else from the rows.

It must never know how a car asked, nor what follows from the facts.
"""

from collections.abc import Iterator
from itertools import cycle
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.conf import settings

from billing import catalog as catalogue
from billing.catalog import Catalog
from fleet import pace, packing, signing, snapshots, traits
from fleet.callers import Caller, Callers, Held
from fleet.heard import Heard
from fleet.limits import Counted, Limit
from fleet.line import Round, Site, pack
from fleet.loads import ForAll, Loads
from fleet.packing import Snapshot
from fleet.rounds import Rounds, for_all
from fleet.signing import BY_ENVIRONMENT, Schedule
from fleet.waiting import Waiting

log = structlog.get_logger()
HOLD = 1.0  # seconds for which what the rows said of all cars is good while the site is away


class Unknown(LookupError):
    """There is no such vehicle."""


class Behind(Exception):
    """The car holds something newer than we can find; it is to ask again."""


def require_as_new(held: Held, snapshot: Snapshot, told: "Told") -> None:
    """Raise Behind unless these facts are as new as what the car holds."""
    if snapshot.version < held.version or told.catalog.revision < held.catalog:
        raise Behind("The car holds a newer version than this site can find.")


class Pace(NamedTuple):
    """How often cars are to ask, made ready for answers."""

    ring: Iterator[bytes]  # the header that says when to come back, another one each time
    lets_wait: bool  # whether a request may be held: not where staff have slowed the cars down


class Told:
    """What holds for all cars: the catalogue, how often to ask in each market, the lease keys."""

    def __init__(
        self, catalog: Catalog, seconds: dict[str, int], schedule: Schedule = BY_ENVIRONMENT
    ) -> None:
        self.catalog = catalog
        self.schedule = schedule
        self._seconds = seconds
        self._paces: dict[frozenset[str], Pace] = {}

    def pace(self, labels: frozenset[str]) -> "Pace":
        """How often cars with these labels are to ask."""
        found = self._paces.get(labels)
        if found is None:
            found = self._paces[labels] = _pace(pace.seconds_for(self._seconds, labels))
        return found


class Facts(NamedTuple):
    """What is known of a vehicle, also as it is stored, and of all; from the rows with its VIN."""

    snapshot: Snapshot
    value: bytes
    told: Told
    vin: str | None = None


class Desk:
    """Where the cars of one event loop ask."""

    def __init__(self) -> None:
        self.site = Site(settings.SITES[settings.SITE])
        self.rounds = Rounds(self.site)
        self.loads = Loads(self.site)
        self.callers = Callers(settings.REMEMBERED_CARS)
        self.waiting = Waiting(settings.SITES[settings.SITE])
        self.heard = Heard(self.site.loop)
        self._car_limit = Limit(*settings.CAR_LIMIT)
        self._car_interval = self._car_limit.interval
        self._failures = Counted(Limit(*settings.FAILURE_LIMIT))
        self._values: tuple[Any, ...] = ()
        self._told: Told | None = None
        self._rows_told: Told | None = None
        self._rows_told_at = 0.0

    async def facts(self, vehicle_id: UUID, round_: Round, place: int, held: Held) -> Facts:
        """What is known of a vehicle that was asked for at this place of a round, and of all.

        Nothing newer can be found, but whether that is new enough is for `require_as_new` to say.
        Raises Unknown, NotNow.
        """
        return self._near(vehicle_id, round_, place, held) or await self._far(
            vehicle_id, round_, place, held
        )

    def _near(self, vehicle_id: UUID, round_: Round, place: int, held: Held) -> Facts | None:
        """The same if the site has said all of it, and nothing older than what the car holds."""
        told = self.told(round_)
        value = None if told is None else round_.replies[place]
        if told is None or told.catalog.revision < held.catalog or type(value) is not bytes:
            return None
        try:
            snapshot = snapshots.decode(vehicle_id, value)
        except (snapshots.Poisoned, packing.UnknownTraits):
            return None
        if snapshot.version < held.version or snapshot.generation < held.generation:
            return None
        return Facts(snapshot, value, told)

    async def _far(self, vehicle_id: UUID, round_: Round, place: int, held: Held) -> Facts:
        """The same from wherever it is found; what is noise is emptied on the way."""
        told, noise = self.told(round_), None
        if told is None:
            noise = self._told_by(round_)[1]
        if told is None or told.catalog.revision < held.catalog:
            told = await self._told_by_rows(held.catalog, noise)
        value: Any = None if round_.away else round_.replies[place]
        snapshot, noise = None, None
        if value is not None:
            snapshot, noise = await self._stored(vehicle_id, value)
        if (
            snapshot is not None
            and snapshot.version >= held.version
            and snapshot.generation >= held.generation
        ):
            return Facts(snapshot, value, told)
        known = await self.loads.vehicle(vehicle_id, noise=noise)
        if known is None:
            raise Unknown(f"No vehicle {vehicle_id}")
        return Facts(known.snapshot, known.value, told, known.vin)

    def told(self, round_: Round) -> Told | None:
        """What holds for all as a round has found it, if it has; looked at once a round."""
        if round_.told is None:
            round_.told = self._told_by(round_)[0]
        found: Told | None = round_.told
        return found

    def wait_for(self, caller: Caller) -> int:
        """Count that a car asks; return for how many seconds it is to wait first, 0: not at all."""
        now = self.site.loop.time()
        if caller.full_at <= now:
            caller.full_at = now + self._car_interval
            return 0
        wait = self._car_limit.wait(caller.full_at, now)
        if not wait:
            caller.full_at += self._car_interval
        return wait

    def wait_of(self, address: str) -> int:
        """For how many seconds an address that failed too often is to wait; 0: not at all."""
        return self._failures.wait(address, self.site.loop.time())

    def count_failure(self, address: str) -> None:
        """Count a refusal to an address."""
        self._failures.count(address, self.site.loop.time())

    async def vin(self, vehicle_id: UUID) -> str:
        """The VIN of a car whose token is of the former form. Raises Unknown, NotNow."""
        known = await self.loads.vehicle(vehicle_id)
        if known is None:
            raise Unknown(f"No vehicle {vehicle_id}")
        return known.vin

    async def close(self) -> None:
        """Come to an end."""
        await self.waiting.close()
        await self.heard.close()
        await self.loads.close()
        await self.site.close()

    def _told_by(self, round_: Round) -> tuple[Told | None, bytes | None]:
        """What the round has found, or where the catalogue lies if it is noise."""
        if round_.away:
            return None, None
        values = for_all(round_)
        if values == self._values and self._told is not None:
            return self._told, None
        told, noise = _read(*values)
        if told is not None:
            self._values, self._told = values, told
        return told, noise

    async def _told_by_rows(self, revision: int, noise: bytes | None) -> Told:
        """The same from the rows, asked at most once a second as long as that will do."""
        held, now = self._rows_told, self.site.loop.time()
        if noise or held is None or now > self._rows_told_at or held.catalog.revision < revision:
            found: ForAll = await self.loads.for_all(noise=noise)
            number, content = found.catalog
            schedule = signing.parse(found.leases[1])
            held = Told(catalogue.parse(content, revision=number), found.pace[1], schedule)
            self._rows_told, self._rows_told_at = held, self.site.loop.time() + HOLD
        return held

    async def _stored(self, vehicle_id: UUID, value: Any) -> tuple[Snapshot | None, bytes | None]:
        """The snapshot that the site's value says, or where it lies if it is noise."""
        key = snapshots.key(vehicle_id.bytes)
        if not isinstance(value, bytes):
            return None, key if _is_of_another_type(value) else None
        try:
            return snapshots.decode(vehicle_id, value), None
        except snapshots.Poisoned as error:
            log.warning("snapshot_poisoned", error=str(error))
            return None, key
        except packing.UnknownTraits as unknown:
            return await self._learned(vehicle_id, value, unknown.args[0])

    async def _learned(
        self, vehicle_id: UUID, value: bytes, number: int
    ) -> tuple[Snapshot | None, bytes | None]:
        """The snapshot, once the site has said what its traits are; it is kept for the next."""
        asked, place = self.rounds.join(pack("HGET", snapshots.TRAITS, number))
        await asked.done
        words = None if asked.away else asked.replies[place]
        if isinstance(words, bytes):
            traits.learn({number: words})
        try:
            return snapshots.decode(vehicle_id, value), None
        except (snapshots.Poisoned, packing.UnknownTraits) as error:
            log.warning("snapshot_poisoned", error=str(error))
            return None, snapshots.key(vehicle_id.bytes)


def _pace(seconds: int) -> Pace:
    ways = cycle([b"poll-after: %d\r\n" % each for each in pace.ring(seconds)])
    return Pace(ways, seconds <= settings.POLL_SECONDS)


def _read(catalog: Any, seconds: Any, leases: Any) -> tuple[Told | None, bytes | None]:
    """What these stored values say; nothing if one that we need is missing, its key if noise."""
    where = snapshots.CATALOG
    try:
        if catalog is not None:
            revision, content = snapshots.read_document(catalog)
            sold = catalogue.parse(content, revision=revision)
        where = snapshots.LEASES
        if catalog is None or leases is None:
            return None, None
        schedule = signing.parse(snapshots.read_document(leases)[1])
        return Told(sold, _rules(seconds), schedule), None
    except (snapshots.Poisoned, ValueError, TypeError, AttributeError) as error:
        log.warning("document_poisoned", key=where.decode(), error=str(error))
        return None, where


def _rules(seconds: Any) -> dict[str, Any]:
    """The stored pace; none if there is none, or noise, over which the next sweep will write."""
    try:
        return dict(snapshots.read_document(seconds)[1]) if seconds is not None else {}
    except (snapshots.Poisoned, ValueError, TypeError, AttributeError) as error:
        log.warning("pace_poisoned", error=str(error))
        return {}


def _is_of_another_type(reply: Any) -> bool:
    return isinstance(reply, Exception) and "WRONGTYPE" in str(reply)
