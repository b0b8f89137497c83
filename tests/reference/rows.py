"""Reads by its own plain statements what PostgreSQL knows of the cars, and states what follows."""

import json
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import connection

from billing import catalog
from billing.catalog import Catalog
from billing.entitlements import Entitlement, Grant, resolve

WEEK = 7 * 86_400
_BUCKET = (
    "('x' || left(encode(sha256('{}:'::bytea || uuid_send(id)), 'hex'), 8))::bit(32)::bigint"
    " % 10000"
)


@dataclass(frozen=True)
class Facts:
    """What the rows say of a car."""

    id: UUID
    vin: str
    version: int
    generation: int
    removed: bool
    traits: frozenset[str]
    grants: tuple[Grant, ...]
    # Which of 10,000 it falls into, by roll-out; PostgreSQL has drawn it, not the product.
    buckets: dict[str, int]

    def former(self) -> "Facts":
        """What a site knows that was not told of the last change."""
        return replace(self, version=self.version - 1, grants=self.grants[:-1])


def facts() -> dict[UUID, Facts]:
    """All cars."""
    grants: dict[UUID, list[Grant]] = {}
    for subject, plan, starts, ends, source in _rows(
        "SELECT subject_id, plan, starts_at, ends_at, source FROM billing_grant ORDER BY id"
    ):
        until = None if ends is None else int(ends.timestamp())
        grant = Grant(plan, int(starts.timestamp()), until, source)
        grants.setdefault(subject, []).append(grant)
    versions = dict(_rows("SELECT id, version FROM billing_subject"))
    return {
        row[0]: Facts(
            id=row[0],
            vin=row[1],
            version=versions[row[0]],
            generation=row[2],
            removed=row[3] is not None,
            traits=frozenset({f"model:{row[4]}", f"hardware:{row[5]}", f"market:{row[6]}"}),
            grants=tuple(grants.get(row[0], ())),
            buckets={"sentry": row[7], "summon": row[8]},
        )
        for row in _rows(
            "SELECT id, vin, credential_generation, removed_at, model, hardware, market, "  # noqa: S608 -- ours
            f"{_BUCKET.format('sentry@1')}, {_BUCKET.format('summon')} FROM fleet_vehicle"
        )
    }


def published() -> Catalog:
    """The catalogue that is in force."""
    [[revision, document]] = _rows(
        "SELECT revision, document::text FROM billing_catalogrevision "
        "ORDER BY revision DESC LIMIT 1"
    )
    return catalog.parse(json.loads(document), revision=revision)


def verdict(car: Facts, sold: Catalog, now: int) -> Entitlement:
    """The rule."""
    return resolve(car.grants, sold, car.traits, car.id, now)


def etag(car: Facts, sold: Catalog, now: int) -> str:
    """The name of what the car is told, by the contract."""
    horizon = verdict(car, sold, now).next_change_at or 0
    epoch = (now + car.id.int % WEEK) // WEEK
    return f'"{car.version}.{sold.revision}.{epoch}.{horizon}"'


def _rows(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
