"""Reads all facts of many vehicles from PostgreSQL, in one statement and so of one moment.

It must never know who asks, nor where the facts go.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from billing import queries
from billing.entitlements import Grant
from fleet.models import Vehicle
from fleet.packing import FLEET_LEARNING, Snapshot

_ROWS = f"""
    SELECT fleet_vehicle.id, facts.version, credential_generation, removed_at IS NOT NULL,
        fleet_learning, model, hardware, market, facts.grants, vin
    FROM fleet_vehicle JOIN ({queries.FACTS}) AS facts ON facts.id = fleet_vehicle.id
    WHERE fleet_vehicle.id = ANY(%s)
"""  # noqa: S608 -- our own words


class Known(NamedTuple):
    """A vehicle as the rows have it."""

    snapshot: Snapshot
    vin: str


def find(vehicle_ids: Iterable[UUID]) -> list[Known]:
    """What is known of these vehicles; of one that does not exist, nothing."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [list(vehicle_ids)])
        return [Known(snapshot(*facts), vin) for *facts, vin in cursor.fetchall()]


def load(vehicle_ids: Iterable[UUID]) -> list[Snapshot]:
    """The snapshots of these vehicles."""
    return [known.snapshot for known in find(vehicle_ids)]


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
