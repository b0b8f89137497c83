"""The format in which a vehicle's facts lie in a site's Valkey: 32 bytes for two grants.

Pure: it must never know where a value is kept, nor what time it is. A value is

    version (7 bytes) | kind (1) | generation (2) | set of traits (2) | grants (9 each) | sum (2)

with numbers big-endian: the version comes first, so that Valkey can compare it. The kind counts the
grants, with a bit for a removed car and one for fleet learning, the one consent there is. A grant
is plan and source in one byte, then its start and its end in Unix seconds. What does not fit (a
third grant, a plan or consent that has no number here, an instant after the year 2106) is written
as JSON behind the same first eight bytes: nothing is ever cut. The sum covers the value, the
vehicle's id and the words of its traits, so that a value under another's key, or one whose set of
traits has come to mean something else, is as unreadable as noise.
"""

import functools
import json
import struct
from binascii import crc_hqx
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

from billing.entitlements import Grant

# A number is never given to another word: values that are stored would change their meaning.
PLANS = ("premium",)
SOURCES = ("subscription", "factory", "trial", "goodwill")
# The car may send clips of its cameras: what its owner consents to, as cars and snapshots name it.
FLEET_LEARNING = "fleet_learning"
LARGEST_NUMBER = 0xFFFF
OPEN = 0xFFFFFFFF
TOO_LARGE = 2**53  # for a version: it is noise
_REMOVED = 0b100
_LEARNING = 0b1000
_CONSENTS = {0: (), _LEARNING: (FLEET_LEARNING,)}
_LONG = 0b011  # The two lowest bits of the kind count the grants, or say that JSON follows.
_VERSION = struct.Struct(">Q")
_HEADS = tuple(struct.Struct(">QHH" + "BII" * count) for count in range(_LONG))
_SUM = struct.Struct(">H")
_WORDS = {
    p << 4 | s: (plan, source) for p, plan in enumerate(PLANS) for s, source in enumerate(SOURCES)
}
_BYTES = {words: byte for byte, words in _WORDS.items()}
_FAULTS = (IndexError, ValueError, TypeError, OverflowError, RecursionError, struct.error)


class Poisoned(ValueError):
    """A stored value is not of our making; it is as good as missing."""


class UnknownTraits(LookupError):
    """The value names a set of traits that this process has not met; its number is the argument."""


class Snapshot(NamedTuple):
    """All that a check needs to know of a vehicle, without asking PostgreSQL."""

    vehicle_id: UUID
    version: int
    generation: int
    removed: bool
    traits: frozenset[str]
    consents: tuple[str, ...]
    grants: tuple[Grant, ...]


def encode(snapshot: Snapshot, traits_number: int) -> bytes:
    """Return the value; `traits_number` is what the snapshot's set of traits is called."""
    short = _short(snapshot, traits_number)
    if short is not None:
        return short + _sum(snapshot.vehicle_id, short, _seed(snapshot.traits))
    facts = [
        snapshot.generation,
        snapshot.removed,
        sorted(snapshot.traits),
        snapshot.consents,
        [[g.plan, g.starts_at, g.ends_at, g.source] for g in snapshot.grants],
    ]
    text = json.dumps(facts, separators=(",", ":")).encode()
    long = _VERSION.pack(snapshot.version << 8 | _LONG) + text
    return long + _sum(snapshot.vehicle_id, long, 0)


def decode(vehicle_id: UUID, value: bytes, sets: Mapping[int, frozenset[str]]) -> Snapshot:
    """Read a value; `sets` are the sets of traits by number. Raises Poisoned, UnknownTraits."""
    try:
        kind = value[7]
        if kind & _LONG == _LONG:
            return _decode_long(vehicle_id, value)
        body = value[:-2]
        facts = _HEADS[kind & _LONG].unpack(body)
    except _FAULTS as error:
        raise Poisoned(f"The snapshot of {vehicle_id} is not readable.") from error
    return _decode_short(vehicle_id, body, value[-2:], facts, sets)


def version(value: bytes) -> int:
    """The version that a value of ours begins with."""
    return int.from_bytes(value[:7], "big")


def _short(snapshot: Snapshot, traits_number: int) -> bytes | None:
    grants = snapshot.grants
    if (
        len(grants) >= _LONG
        or snapshot.consents not in _CONSENTS.values()
        or not 0 <= snapshot.generation <= LARGEST_NUMBER
        or not 0 < traits_number <= LARGEST_NUMBER
    ):
        return None
    kind = len(grants) | (_REMOVED if snapshot.removed else 0)
    if snapshot.consents:
        kind |= _LEARNING
    facts: list[int] = [snapshot.version << 8 | kind, snapshot.generation, traits_number]
    for grant in grants:
        byte = _BYTES.get((grant.plan, grant.source))
        ends_at = OPEN if grant.ends_at is None else grant.ends_at
        if byte is None or not 0 <= grant.starts_at < OPEN or not 0 <= ends_at <= OPEN:
            return None
        if ends_at == OPEN and grant.ends_at is not None:
            return None
        facts += (byte, grant.starts_at, ends_at)
    return _HEADS[len(grants)].pack(*facts)


def _decode_short(
    vehicle_id: UUID,
    body: bytes,
    sum_: bytes,
    facts: tuple[int, ...],
    sets: Mapping[int, frozenset[str]],
) -> Snapshot:
    head, generation, number = facts[:3]
    traits = sets.get(number)
    if traits is None:
        raise UnknownTraits(number)
    kind = head & 0xFF
    if kind & ~(_LEARNING | _REMOVED | _LONG) or _sum(vehicle_id, body, _seed(traits)) != sum_:
        raise Poisoned(f"The snapshot of {vehicle_id} is not readable.")
    try:
        grants = tuple([_grant(*facts[at : at + 3]) for at in range(3, len(facts), 3)])
    except KeyError as error:
        raise Poisoned(f"The snapshot of {vehicle_id} has a grant of {error}.") from error
    removed, consents = bool(kind & _REMOVED), _CONSENTS[kind & _LEARNING]
    return Snapshot(vehicle_id, head >> 8, generation, removed, traits, consents, grants)


def _decode_long(vehicle_id: UUID, value: bytes) -> Snapshot:
    body = value[:-2]
    if _sum(vehicle_id, body, 0) != value[-2:]:
        raise ValueError("The sum is wrong.")
    generation, removed, traits, consents, grants = json.loads(body[8:])
    return Snapshot(
        vehicle_id=vehicle_id,
        version=version(value),
        generation=int(generation),
        removed=bool(removed),
        traits=frozenset(map(str, traits)),
        consents=tuple(map(str, consents)),
        grants=tuple(_long_grant(*grant) for grant in grants),
    )


def _grant(byte: int, starts_at: int, ends_at: int) -> Grant:
    plan, source = _WORDS[byte]
    return Grant(plan, starts_at, None if ends_at == OPEN else ends_at, source)


def _long_grant(plan: Any, starts_at: Any, ends_at: Any, source: Any) -> Grant:
    ends = None if ends_at is None else int(ends_at)
    return Grant(str(plan), int(starts_at), ends, str(source))


def _sum(vehicle_id: UUID, body: bytes, seed: int) -> bytes:
    return _SUM.pack(crc_hqx(vehicle_id.bytes + body, seed))


@functools.lru_cache(maxsize=4096)
def _seed(traits: frozenset[str]) -> int:
    return crc_hqx("\n".join(sorted(traits)).encode(), 1)
