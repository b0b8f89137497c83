"""Finds deliveries that are stuck, and has a car that is there told again, less and less often.

Stuck is what a car could not apply, and what it has not confirmed though it was in contact since.
What no site has yet is not stuck here: the sweep goes on with it. It must never know what a car is
told.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from billing import queries, subjects
from fleet import delivery, rows
from fleet.models import Delivery, DomainEvent, Vehicle

UNCONFIRMED = timedelta(hours=1)  # since it was sent
APART = timedelta(minutes=10)  # from being sent to a contact that proves that the car was told
SILENT = timedelta(hours=2)  # since the last contact, which is known to the hour
AT_ONCE = 500
# A change that comes meanwhile takes the place of a stuck one: it is not asked for here.
_FIND = """
    UPDATE fleet_delivery SET stuck_at = %(now)s
    FROM fleet_vehicle AS car
    WHERE car.id = vehicle_id AND state = 'sent' AND stuck_at IS NULL
      AND sent_at <= %(now)s - %(unconfirmed)s * interval '1 s'
      AND car.last_contact_at >= sent_at + %(apart)s * interval '1 s'
"""


def find(*, now: datetime) -> int:
    """Mark what was sent and not confirmed by cars that were in contact since; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND,
            {
                "now": now,
                "unconfirmed": UNCONFIRMED.total_seconds(),
                "apart": APART.total_seconds(),
            },
        )
        return int(cursor.rowcount)


def due(*, now: datetime) -> Sequence[Delivery]:
    """Those whose time to be told again has come, the longest stuck first."""
    turn = Q(retries__gte=len(Delivery.BACKOFF), stuck_at__lte=now - Delivery.FROM_THEN_ON)
    for retries, wait in enumerate(Delivery.BACKOFF):
        turn |= Q(retries=retries, stuck_at__lte=now - wait)
    there = Q(vehicle__removed_at=None, vehicle__last_contact_at__gte=now - SILENT)
    stuck = Delivery.objects.filter(Delivery.STUCK, there, turn, retries__lt=Delivery.MOST)
    return list(stuck.order_by("stuck_at")[:AT_ONCE])


def retry(stuck: Delivery, *, now: datetime) -> bool:
    """Tell a car once more what it has, as a new version; False if somebody else has, or it said.

    The new version's delivery knows how many came before it.
    """
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(id=stuck.vehicle_id)
        still = Delivery.objects.filter(Delivery.STUCK, pk=stuck.pk).exists()
        if not still or queries.version(vehicle.id) != stuck.version:
            return False
        subjects.bump([vehicle.id], now=now)
        delivery.put_on_record(rows.load([vehicle.id]), now=now)
        retries = stuck.retries + 1
        Delivery.objects.filter(vehicle=vehicle, version=stuck.version + 1).update(retries=retries)
        DomainEvent.objects.create(
            kind="delivery_retried",
            at=now,
            vehicle=vehicle,
            data={"version": stuck.version + 1, "retry": retries, "was": stuck.state},
        )
    return True
