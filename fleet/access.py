"""The check: a vehicle's facts, from Redis or else PostgreSQL, put through the rule at `now`.

It must never know how it was asked, and never answer from a stored verdict.
"""

import functools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error as DatabaseFault
from django.db import close_old_connections, connection

from billing import catalog as catalogue
from billing import queries
from billing.catalog import Catalog
from billing.entitlements import Entitlement, Grant, resolve
from fleet import lease, snapshots
from fleet.models import Vehicle
from fleet.snapshots import Snapshot

log = structlog.get_logger()
BELIEF = 30  # seconds for which "PostgreSQL is away" is believed before it is asked again
_believed_until = 0


class Unknown(LookupError):
    """There is no such vehicle."""


class Behind(Exception):
    """The car holds something newer than we can find; it is to ask again."""


class Held(NamedTuple):
    """What the asking car has, which no answer may be behind; its token proves the generation."""

    version: int = 0
    catalog: int = 0
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """A vehicle's facts and what follows from them at an instant."""

    snapshot: Snapshot
    catalog: Catalog
    entitlement: Entitlement
    now: int

    @property
    def etag(self) -> str:
        """Names all that the document says: version, catalogue, lease epoch, horizon."""
        horizon = self.entitlement.next_change_at or 0
        turn = lease.epoch(self.snapshot.vehicle_id, self.now)
        return f'"{self.snapshot.version}.{self.catalog.revision}.{turn}.{horizon}"'

    def document(self) -> dict[str, Any]:
        """What the car is told (contract: Cars), freshly signed."""
        until = self.entitlement.next_change_at
        return {
            "vehicle": str(self.snapshot.vehicle_id),
            "vin": self.snapshot.vin,
            "version": self.snapshot.version,
            "catalog": self.catalog.revision,
            "plan": self.entitlement.plan,
            "features": list(self.entitlement.features),
            "consents": list(self.snapshot.consents),
            "reason": self.entitlement.reason,
            "valid_until": _rfc3339(until) if until else None,
            "lease": self._lease(),
        }

    def _lease(self) -> str:
        return lease.sign(
            vin=self.snapshot.vin,
            version=self.snapshot.version,
            catalog=self.catalog.revision,
            consents=self.snapshot.consents,
            grants=[self._claim(grant) for grant in self.snapshot.grants],
            now=self.now,
        )

    def _claim(self, grant: Grant) -> dict[str, Any]:
        plan = self.catalog.plan(grant.plan)
        features = plan.features_for(self.snapshot.traits) if plan else ()
        return {
            "plan": grant.plan,
            "features": [feature.code for feature in features],
            "from": grant.starts_at,
            "until": grant.ends_at,
        }


async def check(vehicle_id: UUID, *, held: Held, now: int) -> Checked:
    """Return what the vehicle is entitled to at `now`; never behind what the car holds.

    Raises Unknown, Behind, and django.db.Error if neither Redis nor PostgreSQL can be asked.
    """
    snapshot, sold = await _stored(vehicle_id)
    if (
        snapshot is None
        or sold is None
        or snapshot.generation < held.generation
        or _behind(snapshot, sold, held)
    ):
        snapshot, sold = await sync_to_async(_fresh)(vehicle_id)
    if _behind(snapshot, sold, held):
        raise Behind("The car holds a newer version than this site can find.")
    return Checked(snapshot, sold, resolve(snapshot.grants, sold, snapshot.traits, now), now)


async def can_sign_in(*, now: int) -> bool:
    """Whether PostgreSQL answers, so that a car could get a new token; a "no" holds for a while."""
    return now >= _believed_until and await sync_to_async(_answers)(now)


def _behind(snapshot: Snapshot, sold: Catalog, held: Held) -> bool:
    return snapshot.version < held.version or sold.revision < held.catalog


def load(vehicle_ids: Iterable[UUID]) -> list[Snapshot]:
    """The snapshots of these vehicles from PostgreSQL.

    The versions are read first: a change that comes in between makes the facts newer than the
    version says, never older.
    """
    found = queries.facts(vehicle_ids)
    return [
        Snapshot(
            vehicle_id=vehicle.id,
            version=found[vehicle.id].version,
            vin=vehicle.vin,
            generation=vehicle.credential_generation,
            removed=vehicle.removed_at is not None,
            traits=vehicle.traits,
            consents=(),
            grants=found[vehicle.id].grants,
        )
        for vehicle in Vehicle.objects.filter(id__in=list(found))
    ]


async def _stored(vehicle_id: UUID) -> tuple[Snapshot | None, Catalog | None]:
    try:
        return await _read(vehicle_id)
    except snapshots.SiteAway as error:
        log.warning("site_away", error=str(error))
        return None, None


async def _read(vehicle_id: UUID) -> tuple[Snapshot | None, Catalog | None]:
    try:
        snapshot, sold = await snapshots.read(vehicle_id)
        return (
            snapshots.decode(vehicle_id, snapshot) if snapshot is not None else None,
            _parsed(sold) if sold is not None else None,
        )
    except snapshots.Poisoned as error:
        log.warning("snapshot_poisoned", error=str(error))
        await snapshots.forget(vehicle_id)
        return None, None


@functools.lru_cache(maxsize=4)
def _parsed(value: bytes) -> Catalog:
    try:
        revision, document = value.split(b" ", 1)
        return catalogue.parse(json.loads(document), revision=int(revision))
    except (ValueError, TypeError, RecursionError) as error:
        raise snapshots.Poisoned("The stored catalogue is not readable.") from error


def _fresh(vehicle_id: UUID) -> tuple[Snapshot, Catalog]:
    """Both from PostgreSQL, and stored for the next time."""
    _refresh_connection()
    try:
        revision, document = queries.catalog_document()
        found = load([vehicle_id])
    finally:
        _refresh_connection()
    if not found:
        raise Unknown(f"No vehicle {vehicle_id}")
    try:
        snapshots.write(settings.SITE, found)
        snapshots.write_catalog(settings.SITE, revision, document)
    except snapshots.SiteAway as error:
        log.warning("snapshot_not_written", error=str(error))
    return found[0], catalogue.parse(document, revision=revision)


def _answers(now: int) -> bool:
    """Ask PostgreSQL, unless somebody did while this call waited for its turn."""
    global _believed_until
    if now < _believed_until:
        return False
    _refresh_connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFault:
        _believed_until = now + BELIEF
        return False
    finally:
        _refresh_connection()
    return True


def _refresh_connection() -> None:
    """Give a connection back, and drop one that died, as Django does around its own requests.

    The edge answers ahead of Django. Within a caller's transaction the connection is the caller's.
    """
    if not connection.in_atomic_block:
        close_old_connections()


def _rfc3339(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
