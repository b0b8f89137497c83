"""Celery's way into the notices: from events to mails, from mails to the world."""

from datetime import datetime
from typing import Any

import structlog
from celery import shared_task
from django.db import transaction

from billing import clock, events, locks
from connectivity.notices import outbox, rules
from fleet import events as fleet_events

BATCH = 100
log = structlog.get_logger()


@shared_task
def sweep() -> None:
    """Tell people what happened since the last time; one worker at a time waits for the mail."""
    with locks.only_one("notices.sweep") as mine:
        if mine:
            _sweep()


def _sweep() -> None:
    now = clock.now()
    for source, journal in (("billing", events.journal), ("fleet", fleet_events.journal)):
        with transaction.atomic(durable=True):
            told = [event for event in journal.unnoticed(BATCH) if _told(source, event, now)]
            journal.noticed(told, now=now)
    outbox.send_due(now=now)


def _told(source: str, event: Any, now: datetime) -> bool:
    """Apply the rules to one event; one that fails is logged, and tried again with the next."""
    try:
        with transaction.atomic():
            rules.apply(source, event, now=now)
    except Exception:
        log.exception("event_not_told", source=source, event_id=event.pk, kind=event.kind)
        return False
    return True
