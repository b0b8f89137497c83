"""Compares what each site has of every vehicle with the rows, a part at a time, within six hours.

A server that has taken another's place is compared in minutes: nobody knows how much it lacks. What
is missing or behind is told again, through the outbox like any change. What is ahead of the
rows is left and reported: it means that the rows went back to an older state (see fleet.eras). It
must never know what a version says.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

import structlog
from django.db import transaction

from billing import locks, subjects
from fleet import rebuild, snapshots
from fleet.models import SiteState, Vehicle

log = structlog.get_logger()
EVERY = timedelta(seconds=30)  # as connectivity.settings schedules it
ROUND = timedelta(hours=3)  # so that all are compared within LATE though half the calls be lost
LATE = timedelta(hours=6)
LEAST = 1_000  # vehicles that a call compares
HURRY = 20  # so many times as many, until all were compared with a server that is new
AT_ONCE = 1_000  # that one pipeline asks for
SHOWN = 5  # vehicles that a report of what is ahead names
FIRST = UUID(int=0)


def scrub(site: str, *, now: datetime) -> int:
    """Compare the next vehicles at a site; return how many. Raises snapshots.SiteAway."""
    with locks.only_one(f"fleet.scrub:{site}") as mine:
        if not mine:
            return 0
        SiteState.objects.get_or_create(name=site)
        state = SiteState.objects.get(name=site)
        if state.rebuilding_since is not None:
            return 0  # It is told of all just now.
        compared, after = 0, state.scrub_after
        limit = share(rebuild.estimate()) * (HURRY if is_hurried(state) else 1)
        for ids in _parts(after, limit):
            if not _compare(site, ids, after, now=now):
                break
            compared += len(ids)
            after = ids[-1] if ids else FIRST
        return compared


def share(vehicles: int) -> int:
    """How many of so many vehicles one call compares."""
    return max(LEAST, ceil(vehicles * (EVERY / ROUND)))


def begin_anew(state: SiteState) -> None:
    """Nothing that was compared so far says anything of the server that is there now."""
    state.scrub_after, state.scrub_ended_at = FIRST, None


def is_hurried(state: SiteState) -> bool:
    """Whether the present server is to be compared for the first time."""
    return state.server_since is not None and state.scrub_ended_at is None


def _parts(after: UUID, limit: int) -> Iterator[list[UUID]]:
    """The next vehicles, and at the end of all an empty part."""
    found = Vehicle.objects.filter(id__gt=after).order_by("id").values_list("id", flat=True)
    ids = list(found[:limit])
    for at in range(0, len(ids), AT_ONCE):
        yield ids[at : at + AT_ONCE]
    if len(ids) < limit:
        yield []


def _compare(site: str, ids: Sequence[UUID], after: UUID, *, now: datetime) -> bool:
    """Compare some, and keep how far that is together with what is to be told again.

    False, and nothing is kept, if the round has begun anew meanwhile.
    """
    rows = subjects.versions(ids)
    there = dict(zip(ids, snapshots.versions(site, ids), strict=True))
    behind = [each for each in ids if each in rows and there[each] < rows[each]]
    ahead = [each for each in ids if there[each] > rows.get(each, there[each])]
    # What has changed since the rows were read is ahead of what they said then, and not of them.
    newer = subjects.versions(ahead)
    ahead = [each for each in ahead if there[each] > newer[each]]
    with transaction.atomic(durable=True):
        state = SiteState.objects.select_for_update(no_key=True).get(name=site)
        if state.scrub_after != after:
            return False
        resent = subjects.tell_again(site, behind, now=now)
        _advance(state, ids, resent, ahead, now=now)
    if resent:
        log.warning("site_was_behind", site=site, vehicles=resent)
    if ahead:
        log.error("site_is_ahead", site=site, vehicles=[str(each) for each in ahead[:SHOWN]])
    return True


def _advance(
    state: SiteState, ids: Sequence[UUID], resent: int, ahead: list[UUID], *, now: datetime
) -> None:
    if state.scrub_began_at is None or state.scrub_after == FIRST:
        state.scrub_began_at = now
        state.compared = state.resent = state.ahead = 0
    state.compared += len(ids)
    state.resent += resent
    state.ahead += len(ahead)
    state.scrub_moved_at = now
    if ahead:
        state.ahead_since = state.ahead_since or now
        state.examples = list(dict.fromkeys([*ahead, *state.examples]))[:SHOWN]
    if ids:
        state.scrub_after = ids[-1]
    else:
        _end(state, now)
    state.save()


def _end(state: SiteState, now: datetime) -> None:
    state.scrub_after, state.scrub_ended_at = FIRST, now
    state.ahead_before, state.ahead = state.ahead, 0
    if not state.ahead_before:
        state.ahead_since, state.examples = None, []
