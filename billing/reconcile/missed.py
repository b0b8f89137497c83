"""Takes in the events that Stripe made and never delivered; each is stored as a webhook's would be.

# Note [The bookmark]
Stripe lists the newest first and keeps 30 days. A bookmark says until when everything was read.
A reading goes from there, with an overlap since an event may show up late, to a minute ago, since
younger ones are on their way; what it has read is kept beside the bookmark, which moves only when
the whole of it was read. So one that was killed, or stopped to let others ask, goes on.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from billing import webhooks
from billing.gateway import listing
from billing.models import Bookmark, StripeEvent
from billing.reconcile.finding import Found, Repair
from billing.reconcile.pace import Pace

NAME = "stripe_events"
KEPT = timedelta(days=30)
OVERLAP = timedelta(minutes=30)
ON_THEIR_WAY = timedelta(minutes=1)
Result = tuple[list[Found], str, int]
log = structlog.get_logger()


def catch_up(pace: Pace) -> bool:
    """Read a page of events and take in those that never came; True if there is more to read."""
    now = pace.now()
    mark, _ = Bookmark.objects.get_or_create(name=NAME, defaults={"at": now - KEPT})
    if now - mark.at > KEPT:
        log.warning("events_lost", until=str(now - KEPT))  # Stripe has forgotten; reconcile finds.
    cursor, until = _reading(mark, now)
    pace.ask()
    listed = _listed(cursor, mark.at, until)
    missed = _unknown(listed.items)
    for payload in missed:
        webhooks.take_in(payload, now=now)
    if missed:
        log.warning("events_missed", count=len(missed))
    mark.cursor = f"{listed.cursor}|{int(until.timestamp())}" if listed.cursor else ""
    mark.at = mark.at if listed.cursor else until
    mark.save()
    return bool(listed.cursor)


def page(cursor: str, pace: Pace) -> Result:
    """For a reconciliation: which events since the bookmark never came here?"""
    mark = Bookmark.objects.filter(name=NAME).first()
    since = mark.at if mark else pace.now() - KEPT
    after, _, end = cursor.partition("|")
    until = _instant(end) if end else pace.now() - ON_THEIR_WAY
    pace.ask()
    listed = _listed(after, since, until)
    found = [
        Found("event_missed", payload["id"], payload["type"], _take_in(payload))
        for payload in _unknown(listed.items)
    ]
    more = f"{listed.cursor}|{int(until.timestamp())}" if listed.cursor else ""
    return found, more, len(listed.items)


def _reading(mark: Bookmark, now: datetime) -> tuple[str, datetime]:
    """Where the reading goes on, and until when it reads."""
    cursor, _, end = mark.cursor.partition("|")
    return cursor, _instant(end) if end else max(mark.at, now - ON_THEIR_WAY)


def _instant(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def _listed(cursor: str, since: datetime, until: datetime) -> listing.Page[dict[str, Any]]:
    return listing.events(cursor, types=webhooks.HANDLED, since=since - OVERLAP, until=until)


def _unknown(payloads: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = [payload["id"] for payload in payloads]
    known = set(
        StripeEvent.objects.filter(stripe_event_id__in=ids).values_list(
            "stripe_event_id", flat=True
        )
    )
    # Stripe lists the newest first; they are taken in as they happened.
    return [payload for payload in reversed(payloads) if payload["id"] not in known]


def _take_in(payload: dict[str, Any]) -> Repair:
    def repair(now: datetime) -> bool:
        event = webhooks.take_in(payload, now=now)
        webhooks.process(event.pk, now=now)
        return True

    return repair
