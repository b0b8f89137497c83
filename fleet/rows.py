"""Reads all facts of many vehicles from PostgreSQL, in one statement and so of one moment.

It must never know who asks, nor where the facts go.
"""

from collections.abc import Iterable
from typing import Any, Self, cast
from uuid import UUID

import orjson
import psycopg
from django.db import connection

from billing import queries
from billing.entitlements import Grant
from fleet.models import Vehicle
from fleet.packing import FLEET_LEARNING, Snapshot

_ROWS = f"""
    SELECT fleet_vehicle.id, facts.version, credential_generation, removed_at IS NOT NULL,
        fleet_learning, model, hardware, market, facts.grants::text, vin
    FROM fleet_vehicle JOIN ({queries.FACTS}) AS facts ON facts.id = fleet_vehicle.id
    WHERE fleet_vehicle.id = ANY(%s)
"""  # noqa: S608 -- our own words


class _Cursor(psycopg.Cursor[Any]):
    """Has PostgreSQL plan a statement once for each connection, which takes as long as running it.

    Django's own has each planned anew.
    """

    def execute(self, query: Any, params: Any = None, **_: Any) -> Self:
        """Execute it prepared, and take its answer in binary."""
        return super().execute(query, params, binary=True)


def find(vehicle_ids: Iterable[UUID]) -> list[tuple[Snapshot, str]]:
    """What is known of these vehicles, and their VINs; of one that does not exist, nothing."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.make_cursor(cast(Any, _Cursor(connection.connection))) as cursor:
        cursor.execute(_ROWS, [list(vehicle_ids)])
        return [
            (snapshot(*(*facts, orjson.loads(granted))), vin)
            for *facts, granted, vin in cursor.fetchall()
        ]


def load(vehicle_ids: Iterable[UUID]) -> list[Snapshot]:
    """The snapshots of these vehicles."""
    return [found for found, _ in find(vehicle_ids)]


def vin(vehicle_id: UUID) -> str:
    """The vehicle's VIN; raises Vehicle.DoesNotExist."""
    return Vehicle.objects.values_list("vin", flat=True).get(id=vehicle_id)


def snapshot(
    vehicle_id: UUID,
    version: int,
    generation: int,
    removed: bool,
    learning: bool,
    model: str,
    hardware: str,
    market: str,
    grants: list[list[Any]],
) -> Snapshot:
    """The snapshot that follows from a row of these columns."""
    traits = Vehicle.traits_of(model, hardware, market)
    facts = tuple([Grant(*grant) for grant in grants])
    consents = (FLEET_LEARNING,) if learning else ()
    return Snapshot(vehicle_id, version, generation, removed, traits, consents, facts)
