"""Hears what billing announces after each commit, and has it delivered; a lost call is a delay.

It also lets billing ask whose car a subject is.
"""

from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.dispatch import receiver

from billing import owners
from billing.signals import grants_changed
from fleet import holders, tasks

log = structlog.get_logger()
owners.answer_with(holders.wrong)


@receiver(grants_changed)
def deliver(subject_ids: list[UUID], **_: Any) -> None:
    """Have each site told; should the queue be away the sweep will do it."""
    for site in settings.SITES:
        try:
            tasks.publish.delay(site)
        except Exception:  # The broker's errors are many, and none is the caller's.
            log.exception("enqueue_failed", site=site, subjects=len(subject_ids))
