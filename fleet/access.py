"""The check: a vehicle's facts put through the rule at `now`, and the document that says so.

It must never know how it was asked, nor where the facts were, nor answer from a stored verdict.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseFault
from django.db import connection

from billing.catalog import Catalog
from billing.entitlements import Entitlement, Grant, resolve
from fleet import lease
from fleet.loads import refresh_connection
from fleet.packing import Snapshot
from fleet.signing import BY_ENVIRONMENT, Schedule

BELIEF = 30  # seconds for which "PostgreSQL is away" is believed before it is asked again
ASKED = 2.0  # seconds for which PostgreSQL may think about it
_believed_until = 0


class Checked(NamedTuple):
    """A vehicle's facts and what follows from them at an instant."""

    snapshot: Snapshot
    catalog: Catalog
    entitlement: Entitlement
    now: int
    schedule: Schedule

    @property
    def etag(self) -> str:
        """Names all that the document says: version, catalogue, lease epoch, horizon."""
        horizon = self.entitlement.next_change_at or 0
        turn = lease.epoch(self.snapshot.vehicle_id, self.now) + self.schedule.raised
        return f'"{self.snapshot.version}.{self.catalog.revision}.{turn}.{horizon}"'

    @property
    def until(self) -> int:
        """The first second at which time alone may give the document another name."""
        turn = lease.turn(self.snapshot.vehicle_id, self.now)
        return min(turn, self.entitlement.next_change_at or turn)

    def document(self, vin: str) -> dict[str, Any]:
        """What the car is told (contract: Cars), freshly signed, for orjson. Raises NoKey."""
        until = self.entitlement.next_change_at
        return {
            "vehicle": self.snapshot.vehicle_id,
            "vin": vin,
            "version": self.snapshot.version,
            "catalog": self.catalog.revision,
            "plan": self.entitlement.plan,
            "features": self.entitlement.features,
            "consents": self.snapshot.consents,
            "reason": self.entitlement.reason,
            "valid_until": datetime.fromtimestamp(until, UTC) if until else None,
            "lease": self._lease(vin),
        }

    def _lease(self, vin: str) -> str:
        return lease.sign(
            vin=vin,
            version=self.snapshot.version,
            catalog=self.catalog.revision,
            consents=self.snapshot.consents,
            grants=[self._claim(grant) for grant in self.snapshot.grants],
            now=self.now,
            schedule=self.schedule,
        )

    def _claim(self, grant: Grant) -> dict[str, Any]:
        plan, snapshot = self.catalog.plan(grant.plan), self.snapshot
        return {
            "plan": grant.plan,
            "features": plan.codes_for(snapshot.traits, snapshot.vehicle_id) if plan else (),
            "from": grant.starts_at,
            "until": grant.ends_at,
        }


def check(
    snapshot: Snapshot, catalog: Catalog, *, now: int, schedule: Schedule = BY_ENVIRONMENT
) -> Checked:
    """Return what follows from these facts at `now`; `schedule` is that of the keys of leases."""
    entitlement = resolve(snapshot.grants, catalog, snapshot.traits, snapshot.vehicle_id, now)
    return Checked(snapshot, catalog, entitlement, now, schedule)


async def can_sign_in(*, now: int) -> bool:
    """Whether PostgreSQL answers, so that a car could get a new token; a "no" holds for a while."""
    global _believed_until
    if now < _believed_until:
        return False
    try:
        return await asyncio.wait_for(sync_to_async(_answers)(now), ASKED)
    except TimeoutError:
        _believed_until = now + BELIEF
        return False


def _answers(now: int) -> bool:
    """Ask PostgreSQL, unless somebody did while this call waited for its turn."""
    global _believed_until
    if now < _believed_until:
        return False
    refresh_connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFault:
        _believed_until = now + BELIEF
        return False
    finally:
        refresh_connection()
    return True
