"""When a car was last heard of, known to the hour: at most one write for a car and an hour.

It must never know what the car asked or said.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection

from fleet.models import Vehicle

SPACING = 3600  # seconds between two writes about one car
# A row that somebody else holds is left out: nobody waits for this, and this waits for nobody.
_NOTE = """
    WITH due AS (
        SELECT car.id, heard.at FROM fleet_vehicle AS car
        JOIN unnest(%s::uuid[], %s::timestamptz[]) AS heard (id, at) ON heard.id = car.id
        WHERE car.last_contact_at IS NULL OR car.last_contact_at <= heard.at - %s * interval '1 s'
        FOR NO KEY UPDATE OF car SKIP LOCKED
    )
    UPDATE fleet_vehicle SET last_contact_at = due.at FROM due WHERE fleet_vehicle.id = due.id
"""


def note_read(vehicles: Iterable[Vehicle], *, now: datetime) -> None:
    """Note that these were heard of, by whoever has read their rows anyway and holds them."""
    due = [vehicle.id for vehicle in vehicles if is_due(vehicle.last_contact_at, now=now)]
    if due:
        Vehicle.objects.filter(id__in=due).update(last_contact_at=now)


def note_all(heard: Mapping[UUID, float]) -> int:
    """Note when these cars were heard of (Unix seconds), in one statement; return for how many."""
    instants = [datetime.fromtimestamp(at, UTC) for at in heard.values()]
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [list(heard), instants, SPACING])
        return int(cursor.rowcount)


def is_due(last: datetime | None, *, now: datetime) -> bool:
    """Whether what is known is older than an hour."""
    return last is None or last <= now - timedelta(seconds=SPACING)
