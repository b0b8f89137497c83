"""Hears what billing announces after each commit, and has it delivered; a lost call is a delay.

It also lets billing ask whose car a subject is.
"""

from typing import Any
from uuid import UUID

import structlog
from django.dispatch import receiver

from billing import owners
from billing.signals import grants_changed
from fleet import holders, sites, tasks

log = structlog.get_logger()
owners.answer_with(holders.wrong)


@receiver(grants_changed)
def deliver(subject_ids: list[UUID], **_: Any) -> None:
    """Have each site told; should the queue be away the sweep will do it."""
    try:
        # One that is away is told by the sweep when it is back: its messages would only be in the
        # way of the others'.
        for site in sites.present():
            tasks.publish.delay(site)
    except Exception:  # The broker's errors are many, and none is the caller's.
        log.exception("enqueue_failed", subjects=len(subject_ids))
