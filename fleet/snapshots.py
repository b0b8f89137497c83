"""Writes vehicles' facts to a site's Valkey; the only importer of redis on the entitlement path.

It must never hold a verdict: see Note [Facts, not verdicts] in billing.models.subjects. A write
with an older version than the stored one is refused by Valkey itself, so that late and doubled
writers do no harm. Each command names one key, so that a site may be a cluster; how a value is
read is fleet.packing's and how an edge asks for it is fleet.rounds'.
"""

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import redis
import structlog
from django.conf import settings

from fleet import packing, traits, wake
from fleet.packing import Poisoned, Snapshot

log = structlog.get_logger()
__all__ = ["Poisoned", "SiteAway", "Snapshot"]
FORMAT = "2"  # In every key: another format is another key, and both can live side by side.
TIMEOUT = 1.0  # seconds
VEHICLE = f"v{FORMAT}:".encode()
CATALOG = f"catalog:{FORMAT}".encode()
PACE = f"pace:{FORMAT}".encode()
LEASES = f"leases:{FORMAT}".encode()
TRAITS = f"traits:{FORMAT}".encode()
# The first seven bytes are the version. What is no value of ours, of another type even, has none
# and gives way: no value is as short as that, and no version is as large as noise makes it.
KEEP_NEWEST_VEHICLE = b"""
local function version(value)
  if type(value) ~= 'string' or #value < 14 then return -1 end
  local sum = 0
  for i = 1, 7 do sum = sum * 256 + string.byte(value, i) end
  return sum
end
local old = version(redis.pcall('GET', KEYS[1]))
if old < 9007199254740992 and old > version(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
# These begin with their revision in decimal and a blank, and go on in JSON.
KEEP_NEWEST_DOCUMENT = b"""
local old = redis.pcall('GET', KEYS[1])
local revision = type(old) == 'string' and tonumber(string.match(old, '^(%d+) '))
if revision and revision > tonumber(string.match(ARGV[1], '^(%d+) ')) then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""
# What is of another type gives way here too.
LEARN_WORDS = b"""
local done = redis.pcall('HSET', KEYS[1], unpack(ARGV))
if type(done) == 'table' then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], unpack(ARGV))
end
return 1
"""
MOST_WORDS = 1_000  # sets of traits in a call: Lua's stack is small
Command = tuple[bytes | str | int, ...]


class SiteAway(Exception):
    """The site's Valkey did not answer in time."""


def key(vehicle_id: bytes) -> bytes:
    """Where a vehicle's facts lie."""
    return VEHICLE + vehicle_id


def decode(vehicle_id: UUID, value: bytes) -> Snapshot:
    """Read a stored value; raises Poisoned, and packing.UnknownTraits."""
    return packing.decode(vehicle_id, value, traits.known)


def value(snapshot: Snapshot) -> bytes:
    """What is stored of a snapshot."""
    return packing.encode(snapshot, traits.number(snapshot.traits))


def document(revision: int, content: Any) -> bytes:
    """The value of what holds for all cars: a revision, and what it says."""
    return b"%d %s" % (revision, json.dumps(content, separators=(",", ":")).encode())


def read_document(value: bytes) -> tuple[int, Any]:
    """What `document` has written; raises Poisoned."""
    try:
        revision, content = value.split(b" ", 1)
        return int(revision), json.loads(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise Poisoned("A stored document is not readable.") from error


def commands(snapshots: Iterable[Snapshot]) -> list[Command]:
    """What stores these snapshots, each unless a newer one is there, on one connection, in order.

    The words of their traits go first, so that whoever reads a snapshot can read its traits.
    """
    these = list(snapshots)
    puts = [_call(KEEP_NEWEST_VEHICLE, key(each.vehicle_id.bytes), value(each)) for each in these]
    return [*_words(these), _load(KEEP_NEWEST_VEHICLE), *puts] if puts else []


def filling(known: Sequence[tuple[Snapshot, bytes]]) -> list[Command]:
    """What stores these, with their values, where there is nothing; the last replies are theirs.

    None is the reply where something was. It costs the site less than a script that compares.
    """
    puts: list[Command] = [
        ("SET", key(snapshot.vehicle_id.bytes), value, "NX") for snapshot, value in known
    ]
    return [*_words(snapshot for snapshot, _ in known), *puts] if puts else []


def document_commands(where: bytes, revision: int, content: Any) -> list[Command]:
    """What stores one of what holds for all cars, unless a newer one is there."""
    put = _call(KEEP_NEWEST_DOCUMENT, where, document(revision, content))
    return [_load(KEEP_NEWEST_DOCUMENT), put]


def write(site: str, snapshots: Iterable[Snapshot]) -> None:
    """Store snapshots at a site, each unless a newer one is there, and wake the cars that wait.

    Raises SiteAway. That the wake-up failed is no failure: the cars read when their wait is over.
    """
    these = list(snapshots)
    if these:
        _tell(site, commands(these))
        try:
            _tell(site, [wake.call(each.vehicle_id.bytes for each in these)])
        except SiteAway as error:
            log.warning("nobody_woken", error=str(error))


def write_catalog(site: str, revision: int, content: dict[str, Any]) -> None:
    """Store the published catalogue at a site, unless a newer one is there. Raises SiteAway."""
    _tell(site, document_commands(CATALOG, revision, content))


def write_pace(site: str, revision: int, seconds: dict[str, int]) -> None:
    """Store how often cars are to ask, unless a newer word is there. Raises SiteAway."""
    _tell(site, document_commands(PACE, revision, seconds))


def write_lease_schedule(site: str, revision: int, content: dict[str, Any]) -> None:
    """Store which key signs leases at a site, unless a newer word is there. Raises SiteAway."""
    _tell(site, document_commands(LEASES, revision, content))


def read_lease_schedule() -> dict[str, Any] | None:
    """What this process's own site knows of that, if it does. Raises SiteAway, Poisoned."""
    try:
        value = _writer(settings.SITE).get(LEASES)
    except redis.RedisError as error:
        raise SiteAway(f"{settings.SITE}: {error}") from error
    return dict(read_document(value)[1]) if isinstance(value, bytes) else None


def versions(site: str, vehicle_ids: Iterable[UUID]) -> list[int]:
    """The versions that a site has of these vehicles, -1 where it has none. Raises SiteAway."""
    heads = _ask(site, [("GETRANGE", key(each.bytes), 0, 13) for each in vehicle_ids])
    return [_version(head) for head in heads]


def look(site: str, where: bytes) -> tuple[str, Any]:
    """Which server a site's is, by its own words, and what lies at a key. Raises SiteAway.

    Another process, or one that was another's replica, calls itself otherwise.
    """
    server, replication, value = _ask(
        site, [("INFO", "server"), ("INFO", "replication"), ("GET", where)]
    )
    if not isinstance(server, dict) or not isinstance(replication, dict):
        raise SiteAway(f"{site}: does not say which server it is: {server}")
    return f"{server.get('run_id')} {replication.get('master_replid')}", value


def _ask(site: str, commands: list[Command]) -> list[Any]:
    try:
        pipeline = _writer(site).pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call] # theirs
        return list(pipeline.execute(raise_on_error=False))
    except redis.RedisError as error:
        raise SiteAway(f"{site}: {error}") from error


def _version(head: Any) -> int:
    """By the same measure as KEEP_NEWEST_VEHICLE. Raises SiteAway for a site that still loads."""
    if isinstance(head, redis.ConnectionError):
        raise SiteAway(str(head))
    found = packing.version(head) if isinstance(head, bytes) and len(head) >= 14 else -1
    return found if found < packing.TOO_LARGE else -1


def ping(site: str | None = None) -> None:
    """Return if the site answers (by default this process's own); raises SiteAway."""
    try:
        _writer(site or settings.SITE).ping()
    except redis.RedisError as error:
        raise SiteAway(f"{site or settings.SITE}: {error}") from error


def _words(snapshots: Iterable[Snapshot]) -> list[Command]:
    """What leaves the words of these snapshots' traits at a site."""
    sets = {each.traits for each in snapshots}
    words = [word for each in sets for word in (traits.number(each), traits.write(each))]
    parts = [words[at : at + 2 * MOST_WORDS] for at in range(0, len(words), 2 * MOST_WORDS)]
    return [_load(LEARN_WORDS), *(_call(LEARN_WORDS, TRAITS, *part) for part in parts)]


def _load(script: bytes) -> Command:
    """A server that was emptied or begun anew has forgotten its scripts, so each writer says it."""
    return ("SCRIPT", "LOAD", script)


def _call(script: bytes, where: bytes, *arguments: bytes | str | int) -> Command:
    return ("EVALSHA", _sha(script), 1, where, *arguments)


@functools.cache
def _sha(script: bytes) -> str:
    return hashlib.sha1(script, usedforsecurity=False).hexdigest()


def _tell(site: str, commands: list[Command]) -> None:
    try:
        pipeline = _writer(site).pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call] # theirs
        pipeline.execute()
    except redis.RedisError as error:
        raise SiteAway(f"{site}: {error}") from error


def _writer(site: str) -> redis.Redis:
    return _writer_at(settings.SITES[site])


@functools.cache
def _writer_at(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
