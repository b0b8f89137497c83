"""Celery's way into the notices: from events to mails, from mails to the world."""

from celery import shared_task
from django.db import transaction

from billing import clock, events
from connectivity.notices import outbox, rules
from fleet import events as fleet_events

BATCH = 100


@shared_task
def sweep() -> None:
    """Tell people what happened since the last time."""
    now = clock.now()
    for source, journal in (("billing", events.journal), ("fleet", fleet_events.journal)):
        with transaction.atomic(durable=True):
            found = journal.unnoticed(BATCH)
            for event in found:
                rules.apply(source, event, now=now)
            journal.noticed(found, now=now)
    outbox.send_due(now=now)
