"""How far a roll-out has come: how many cars it is for, and what those have reported.

One statement reads all cars (a second or two for a million), so the result is kept with the
roll-out, and counted anew only while somebody looks, and never for more than a twentieth of the
time. It must never know who looks.
"""

import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from billing import queries
from fleet.models import Rollout
from fleet.models.rollouts import SHARES

FRESH = 5.0  # seconds for which a count is good enough
SPARED = 20  # A count that took a second is good for twenty.
SHOWN = 20  # cars that failed
# The bucket is that of billing.catalog; the two are held against each other by a test.
_CARS = f"""
    SELECT vehicle.id, (
        'x' || encode(substring(
            sha256(convert_to(%s || ':', 'UTF8') || uuid_send(vehicle.id)) for 4
        ), 'hex')
    )::bit(32)::bigint %% {SHARES} < %s AS due
    FROM fleet_vehicle AS vehicle
    WHERE removed_at IS NULL AND hardware <> 'none'
        AND (%s::text[] IS NULL OR market = ANY(%s))
        AND (%s::text[] IS NULL OR model = ANY(%s))
        AND (%s::text[] IS NULL OR hardware = ANY(%s))
        AND vehicle.id IN ({queries.HOLDERS})
"""  # noqa: S608 -- our own words
_COUNTS = f"""
    SELECT due, report.applied, count(*)
    FROM ({_CARS}) AS car
    LEFT JOIN fleet_report AS report ON report.vehicle_id = car.id AND report.catalog >= %s
    GROUP BY 1, 2
"""  # noqa: S608 -- ours
_FAILURES = f"""
    SELECT report.vehicle_id, report.reason
    FROM fleet_report AS report
    WHERE NOT report.applied AND report.catalog >= %s AND EXISTS (
        SELECT FROM ({_CARS}) AS car WHERE car.id = report.vehicle_id AND car.due
    )
    ORDER BY report.received_at DESC LIMIT {SHOWN}
"""  # noqa: S608 -- ours


def is_due(rollout: Rollout, *, now: datetime) -> bool:
    """Whether it is time to count anew."""
    if rollout.counted_at is None or rollout.counted_revision != rollout.revision:
        return True
    return now >= rollout.counted_at + timedelta(seconds=max(FRESH, SPARED * rollout.counted_in))


def count(rollout: Rollout, *, now: datetime) -> Rollout:
    """Count, and keep what was found, unless the roll-out was changed meanwhile."""
    began = time.perf_counter()
    wanted = _parameters(rollout, now)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [*wanted, rollout.revision])
        counts = {(due, applied): cars for due, applied, cars in cursor.fetchall()}
        cursor.execute(_FAILURES, [rollout.revision, *wanted])
        failures = [{"vehicle": str(car), "reason": said} for car, said in cursor.fetchall()]
    found = {
        "counted_at": now,
        "counted_revision": rollout.revision,
        "counted_in": time.perf_counter() - began,
        "able": sum(counts.values()),
        "due": sum(cars for (due, _), cars in counts.items() if due),
        "applied": counts.get((True, True), 0),
        "failed": counts.get((True, False), 0),
        "failures": failures,
    }
    Rollout.objects.filter(pk=rollout.pk, revision=rollout.revision).update(**found)
    for name, value in found.items():
        setattr(rollout, name, value)
    return rollout


def able(plan: str, audience: dict[str, list[str]], *, now: datetime) -> int:
    """How many cars would get a feature, were its share whole, that joined a plan for these."""
    wanted = Rollout(plan=plan, audience=audience, share=0, salt="")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({_CARS}) AS car", _parameters(wanted, now))  # noqa: S608 -- ours
        [found] = cursor.fetchone()
    return int(found)


def _parameters(rollout: Rollout, now: datetime) -> list[Any]:
    groups = [rollout.audience.get(kind) for kind in ("market", "model", "hardware")]
    twice = [each for group in groups for each in (group, group)]
    return [rollout.salt, rollout.share, *twice, rollout.plan, now, now]
