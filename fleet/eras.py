"""Begins a new era: raises every version above whatever a lost state of the rows has told cars.

After a restore the rows are older than what cars and sites hold, and both refuse what is older. So
all numbers are raised by more than were ever counted since. It must never know who was restored to
what, nor tell a site: that is a rebuild's.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing import locks, revisions, subjects
from fleet import pace, rotation
from fleet.models import DomainEvent, Era, SiteState

RAISE = 2**32  # More than there can be changes between a backup and its restore.

Show = Callable[[int], None]


class Busy(Exception):
    """Somebody begins a new era already."""


class Begun(Exception):
    """The last era is complete, and nobody has said that there is to be another."""

    def __init__(self, era: Era) -> None:
        """Take the last one."""
        super().__init__(str(era))
        self.era = era


def begin(*, again: bool, show: Show, now: datetime) -> int:
    """Raise all versions, from where a call that was stopped has stopped; return how many.

    `show` is told how many were raised up to then. Raises Begun unless this is the first era, goes
    on with an unfinished one, or is to be another one (`again`); Busy, rotation.Busy.
    """
    with locks.only_one("fleet.new_era") as mine:
        if not mine:
            raise Busy("Somebody else begins a new era at this moment. Let it end.")
        era = Era.objects.order_by("-pk").first()
        if era is None or again:
            era = _create(now)
        elif era.finished_at is not None:
            raise Begun(era)
        show(era.raised)
        while _raise_some(era, now):
            show(era.raised)
    return era.raised


def _create(now: datetime) -> Era:
    """What holds for all cars is raised with the record itself: once, whatever is stopped."""
    with transaction.atomic(durable=True):
        revisions.renumber(by=RAISE, now=now)
        pace.renumber(by=RAISE, now=now)
        rotation.renumber(by=RAISE, now=now)
        # What was found to be ahead of the rows no longer is.
        SiteState.objects.update(
            ahead=0, ahead_before=0, ahead_since=None, examples=[], scrub_after=UUID(int=0)
        )
        era = Era.objects.create(began_at=now)
        DomainEvent.objects.create(kind="era_begun", at=now, data={"era": era.pk})
    return era


def _raise_some(era: Era, now: datetime) -> bool:
    """Raise the next subjects, and keep with them how far that is; False if there was none left."""
    with transaction.atomic(durable=True):
        raised = subjects.raise_versions(era.after, by=RAISE)
        if raised:
            era.after, era.raised = raised[-1], era.raised + len(raised)
        else:
            era.finished_at = now
        era.save()
    return bool(raised)
