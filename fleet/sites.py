"""Notices what has become of a site's server: away, another one, emptied; and has it mended.

What PostgreSQL believes of a site is a belief. A server that calls itself otherwise may lack the
last changes, so those of the last hour are told again first, and then all is compared, in a hurry;
one that was emptied is rebuilt. It must never know what is told.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import transaction

from billing import queries, subjects
from fleet import rebuild, scrub, snapshots
from fleet.models import Delivery, SiteState

log = structlog.get_logger()
SUSPECT = timedelta(hours=1)  # how long before a change of servers what was told may be lost
NOTED = (
    *("server", "server_since", "away_since", "rebuilding_since"),
    *("scrub_after", "scrub_ended_at"),
)
AT_ONCE = 10_000  # vehicles that one statement has told again; it must end within its time


@dataclass(frozen=True, slots=True)
class Standing:
    """How a site stands: what it has not been told, and how far its scrub is."""

    site: str
    away_since: datetime | None
    rebuilding_since: datetime | None
    waiting: int
    oldest_at: datetime | None
    compared: int
    scrub_began_at: datetime | None
    scrub_ended_at: datetime | None
    ahead: int
    ahead_since: datetime | None

    def lag(self, now: datetime) -> int:
        """For how many seconds the oldest change has waited; 0 if none does."""
        return max(int((now - self.oldest_at).total_seconds()), 0) if self.oldest_at else 0

    def scrub_late_since(self, now: datetime) -> datetime | None:
        """Since when a round of the scrub has been due to end, if one has."""
        since = self.scrub_ended_at or self.scrub_began_at
        due = since + scrub.LATE if since else None
        return due if due and due <= now else None


def watch(site: str, *, now: datetime) -> bool:
    """Look at a site; return whether it is to be rebuilt. Never waits long for it."""
    before, _ = SiteState.objects.get_or_create(name=site)
    try:
        server, point = snapshots.look(site, rebuild.POINT)
    except snapshots.SiteAway as error:
        note_away(site, error, now=now)
        return False
    whole = point == rebuild.WHOLE
    well = before.away_since is None and before.rebuilding_since is None
    if not (well and whole and server == before.server):
        _note(site, server, whole=whole, now=now)
    return not whole


def note_away(site: str, error: Exception, *, now: datetime) -> None:
    """Record that a site does not answer: until it does, only `watch` waits for it."""
    SiteState.objects.get_or_create(name=site)
    if SiteState.objects.filter(name=site, away_since=None).update(away_since=now):
        log.warning("site_away", site=site, error=str(error))


def present() -> list[str]:
    """The sites that are not known to be away."""
    away = SiteState.objects.exclude(away_since=None).values_list("name", flat=True)
    absent = set(away)
    return [site for site in settings.SITES if site not in absent]


def standings() -> list[Standing]:
    """How each site of SITES stands."""
    states = SiteState.objects.in_bulk(list(settings.SITES))
    return [standing(states.get(site) or SiteState(name=site)) for site in settings.SITES]


def _note(site: str, server: str, *, whole: bool, now: datetime) -> None:
    """Record what a site is now, and with it what it is to be told again."""
    with transaction.atomic(durable=True):
        state = SiteState.objects.select_for_update(no_key=True).get(name=site)
        if state.server != server:
            told = _tell_again(site, now) if state.server else 0
            log.warning("site_changed_servers", site=site, told_again=told)
            state.server, state.server_since = server, now
            scrub.begin_anew(state)
        state.away_since = None
        state.rebuilding_since = None if whole else state.rebuilding_since or now
        state.save(update_fields=NOTED)


def _tell_again(site: str, now: datetime) -> int:
    recent = Delivery.objects.filter(changed_at__gte=now - SUSPECT)
    ids = list(recent.values_list("vehicle_id", flat=True).distinct())
    parts = (ids[at : at + AT_ONCE] for at in range(0, len(ids), AT_ONCE))
    return sum(subjects.tell_again(site, part, now=now) for part in parts)


def standing(state: SiteState) -> Standing:
    """How a site stands, of which the rest is known."""
    waiting, oldest_at = queries.unsent(state.name)
    return Standing(
        site=state.name,
        away_since=state.away_since,
        rebuilding_since=state.rebuilding_since,
        waiting=waiting,
        oldest_at=oldest_at,
        compared=state.compared,
        scrub_began_at=state.scrub_began_at,
        scrub_ended_at=state.scrub_ended_at,
        ahead=max(state.ahead, state.ahead_before),
        ahead_since=state.ahead_since,
    )
