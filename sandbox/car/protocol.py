"""Decides what an answer of the edge means to a car; it must never send anything, read a clock or
touch storage.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeGuard

from sandbox.car import lease as leases
from sandbox.car.answers import Answer, SetbackError, expect, setback

_BACKOFF_BASE = 1.0
# Short, because the person who tries the product should not wait for a car that has given up.
_BACKOFF_CAP = 20.0
_LARGEST_VERSION = 2**53


@dataclass(frozen=True)
class Document:
    """What the edge says of this car; `raw` keeps the members that this car does not know."""

    version: int
    catalog: int
    lease: str
    raw: Mapping[str, Any]

    @classmethod
    def parse(cls, raw: Mapping[str, Any], vin: str) -> Self:
        """Raises ValueError where a member that a car cannot do without is missing or wrong."""
        if raw.get("vin") != vin:
            raise ValueError("it is about another car")
        version, catalog, lease = raw.get("version"), raw.get("catalog"), raw.get("lease")
        if not _is_version(version) or not _is_version(catalog):
            raise ValueError("version or catalog is not a whole number below 2^53")
        if not _is_text(lease):
            raise ValueError("it carries no lease")
        return cls(version=version, catalog=catalog, lease=lease, raw=raw)


@dataclass(frozen=True)
class Held:
    """What a car already has when an answer arrives; a new one holds version 0 of everything."""

    vin: str
    issuer: str
    version: int
    catalog: int
    keys: leases.Keys


@dataclass(frozen=True)
class Keep:
    """Nothing new: 304."""


@dataclass(frozen=True)
class Adopt:
    """A newer document with a good lease."""

    document: Document
    lease: leases.Lease
    etag: str | None


@dataclass(frozen=True)
class Refuse:
    """A document that the car does not take; what it holds stays, and it reports the reason."""

    version: int
    catalog: int
    reason: str
    detail: str


@dataclass(frozen=True)
class Outdated:
    """A document older than what the car holds: not taken, and nothing to report."""

    detail: str


Step = Keep | Adopt | Refuse | Outdated


def on_check(answer: Answer, held: Held, now: float) -> Step:
    """What to do after a check, at the car's time `now`; raises SetbackError to try again later.

    A lease under an unknown key is refused like any other bad one: the caller fetches the keys and
    asks once more.
    """
    if answer.status == 304:
        return Keep()
    expect(answer, 200)
    try:
        document = Document.parse(answer.json(), held.vin)
    except ValueError as error:
        raise SetbackError(f"The service sent a document that cannot be read: {error}.") from None
    if document.version < held.version or document.catalog < held.catalog:
        offered = f"{document.version}.{document.catalog}"
        return Outdated(f"Refused {offered}: this car already has {held.version}.{held.catalog}.")
    try:
        lease = _check_lease(document, held, now)
    except leases.LeaseError as refusal:
        return Refuse(document.version, document.catalog, refusal.reason.value, str(refusal))
    return Adopt(document, lease, answer.headers.get("etag"))


def on_report(answer: Answer) -> str | None:
    """None once a report is settled; words where the edge will never take it.

    Raises SetbackError where the car must keep the report and send it again.
    """
    if answer.status in (401, 403, 404, 408, 425, 429) or answer.status >= 500:
        raise setback(answer)
    return None if 200 <= answer.status < 300 else answer.words()


def backoff(failures: int, at_least: float, chance: random.Random) -> float:
    """Seconds to wait after so many failures in a row: full jitter on top of what was asked."""
    widest = min(_BACKOFF_CAP, _BACKOFF_BASE * 2 ** min(failures, 16))
    return at_least + chance.uniform(0, widest)


def _check_lease(document: Document, held: Held, now: float) -> leases.Lease:
    lease = leases.read(document.lease, keys=held.keys, vin=held.vin)
    lease.check_issuer(held.issuer)
    lease.check_order(held.version, held.catalog)
    if (lease.version, lease.catalog) != (document.version, document.catalog):
        raise leases.LeaseError(
            leases.Reason.OTHER_DOCUMENT,
            f"lease {lease.version}.{lease.catalog}, "
            f"document {document.version}.{document.catalog}",
        )
    lease.check_time(now)
    return lease


def _is_version(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_VERSION


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value)
