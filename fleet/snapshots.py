"""A vehicle's facts as they lie in a site's Redis; the only importer of redis on this path.

It must never hold a verdict: see Note [Facts, not verdicts] in billing.models.subjects. A write
with an older version than the stored one is refused by Redis itself, so that late and doubled
writers do no harm.
"""

import asyncio
import functools
import json
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import redis
import redis.asyncio
from django.conf import settings

from billing.entitlements import Grant

FORMAT = "1"  # In every key: another format is another key, and both can live side by side.
TIMEOUT = 1.0  # seconds
CATALOG = f"catalog:{FORMAT}"
# The value begins with its version in decimal, so that Redis can compare without parsing the rest.
# What is no value of ours, of another type even, has no version and gives way.
KEEP_NEWEST = """
local old = redis.pcall('GET', KEYS[1])
local version = type(old) == 'string' and tonumber(string.match(old, '^(%d+) '))
if version and version > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
return 1
"""


class SiteAway(Exception):
    """The site's Redis did not answer in time."""


class Poisoned(ValueError):
    """A stored value is not of our making; it is as good as missing."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a check needs to know of a vehicle, without asking PostgreSQL."""

    vehicle_id: UUID
    version: int
    vin: str
    generation: int
    removed: bool
    traits: frozenset[str]
    consents: tuple[str, ...]
    grants: tuple[Grant, ...]

    def encode(self) -> str:
        """The value that is stored, without its version."""
        grants = [[g.plan, g.starts_at, g.ends_at, g.source] for g in self.grants]
        facts = [
            self.vin,
            self.generation,
            self.removed,
            sorted(self.traits),
            self.consents,
            grants,
        ]
        return json.dumps(facts, separators=(",", ":"))


def decode(vehicle_id: UUID, value: bytes) -> Snapshot:
    """Read a stored value; raises Poisoned."""
    try:
        version, facts = value.split(b" ", 1)
        vin, generation, removed, traits, consents, grants = json.loads(facts)
        return Snapshot(
            vehicle_id=vehicle_id,
            version=int(version),
            vin=str(vin),
            generation=int(generation),
            removed=bool(removed),
            traits=frozenset(map(str, traits)),
            consents=tuple(map(str, consents)),
            grants=tuple(_grant(*grant) for grant in grants),
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise Poisoned(f"The snapshot of {vehicle_id} is not readable.") from error


def _grant(plan: Any, starts_at: Any, ends_at: Any, source: Any) -> Grant:
    ends = None if ends_at is None else int(ends_at)
    return Grant(str(plan), int(starts_at), ends, str(source))


def write(site: str, snapshots: Iterable[Snapshot]) -> None:
    """Store snapshots at a site, each unless a newer one is there. Raises SiteAway."""
    try:
        pipeline = _writer(site).pipeline(transaction=False)
        for snapshot in snapshots:
            key = _key(snapshot.vehicle_id)
            pipeline.eval(KEEP_NEWEST, 1, key, str(snapshot.version), snapshot.encode())
        pipeline.execute()
    except redis.RedisError as error:
        raise SiteAway(f"{site}: {error}") from error


def write_catalog(site: str, revision: int, document: dict[str, Any]) -> None:
    """Store the published catalogue at a site, unless a newer one is there. Raises SiteAway."""
    try:
        text = json.dumps(document, separators=(",", ":"))
        _writer(site).eval(KEEP_NEWEST, 1, CATALOG, str(revision), text)
    except redis.RedisError as error:
        raise SiteAway(f"{site}: {error}") from error


async def read(vehicle_id: UUID) -> tuple[bytes | None, bytes | None]:
    """The stored values of a vehicle and of the catalogue at this process's own site.

    Raises SiteAway, and Poisoned if what is stored there is no value at all.
    """
    try:
        pipeline = _reader().pipeline(transaction=False)
        pipeline.get(_key(vehicle_id))
        pipeline.get(CATALOG)
        snapshot, catalog = await pipeline.execute()
    except redis.ResponseError as error:
        if "WRONGTYPE" in str(error):
            raise Poisoned(f"What is stored for {vehicle_id} is of another type.") from error
        raise SiteAway(str(error)) from error
    except (redis.RedisError, TimeoutError) as error:
        raise SiteAway(str(error)) from error
    return snapshot, catalog


async def forget(vehicle_id: UUID) -> None:
    """Remove what was found poisoned, of the vehicle or the catalogue; it is written anew.

    Raises SiteAway.
    """
    try:
        pipeline = _reader().pipeline(transaction=False)
        pipeline.delete(_key(vehicle_id))
        pipeline.delete(CATALOG)
        await pipeline.execute()
    except (redis.RedisError, TimeoutError) as error:
        raise SiteAway(str(error)) from error


async def close() -> None:
    """Close what this event loop has opened, at its end."""
    reader = _readers.pop(asyncio.get_running_loop(), None)
    if reader is not None:
        await reader.aclose()


def ping(site: str | None = None) -> None:
    """Return if the site answers (by default this process's own); raises SiteAway."""
    try:
        _writer(site or settings.SITE).ping()
    except redis.RedisError as error:
        raise SiteAway(f"{site or settings.SITE}: {error}") from error


def _key(vehicle_id: UUID) -> str:
    return f"vehicle:{FORMAT}:{vehicle_id.hex}"


def _writer(site: str) -> redis.Redis:
    return _writer_at(settings.SITES[site])


@functools.cache
def _writer_at(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)


# An asyncio connection belongs to the loop that opened it.
_readers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, redis.asyncio.Redis]
_readers = weakref.WeakKeyDictionary()


def _reader() -> redis.asyncio.Redis:
    loop = asyncio.get_running_loop()
    if loop not in _readers:
        _readers[loop] = redis.asyncio.Redis.from_url(
            settings.SITES[settings.SITE], socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )
    return _readers[loop]
