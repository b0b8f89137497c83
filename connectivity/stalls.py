"""Says what should have moved by now and stands still; never moves it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min

from billing import queries
from connectivity.law.models import Declaration
from connectivity.notices.models import Notice
from fleet import rotation, sites
from fleet.models import Delivery

PATIENCE = timedelta(minutes=1)
_WORKERS = "See that the worker and beat run"
WHAT_TO_DO = {
    "inbox": f"{_WORKERS}; then look at the errors of the events that wait. Cars keep what they "
    "have, payments are not lost.",
    "parked": "These events of Stripe's are kept and not read: they came in another API version, "
    "or Stripe refused what we asked about them. Give the webhook endpoint at Stripe our version, "
    "look at their errors, and read them again (Stripe events, state parked).",
    "intents": f"{_WORKERS} and that Stripe answers; then look at the errors of the intents that "
    "wait.",
    "outbox": f"{_WORKERS} and that each site's Redis answers. Cars learn of changes when it does.",
    "deliveries": f"{_WORKERS} and that each site's Redis answers. Cars learn of changes when it "
    "does.",
    "given_up": "These cars were told again and again and could not apply it, or never confirmed "
    "it. See what they say (Deliveries, stuck: given up), mend it, and use Re-send to the car.",
    "lease_keys": "This process lacks the seed of the newest lease key. Put it into "
    "LEASE_SIGNING_KEYS and restart it: seven days after that key has begun to sign, this process "
    "signs no lease at all.",
    "site_away": "The Redis of these data centres does not answer. Their edges ask PostgreSQL for "
    "each car; changes wait and reach them by themselves when it does.",
    "site_ahead": "A data centre has newer versions of these cars than PostgreSQL: it was restored "
    "to an older state, and such cars cannot be told anything. Run `manage.py new_era` (see "
    "docs/operations.md, Restore).",
    "scrub": f"{_WORKERS}: these data centres have not been compared with PostgreSQL for six "
    "hours.",
    "declarations": "People have cancelled or withdrawn from what no program could find or judge "
    "(Declarations, state open). It counts from when they declared it: find out which contract is "
    "meant, end it, pay back, write to them, and settle it.",
    "mails": f"{_WORKERS} and that the mail server answers; then look at the errors of the "
    "notices that wait.",
}


@dataclass(frozen=True, slots=True)
class Stall:
    """A queue that does not move: how many wait in it, and for how long the oldest has."""

    what: str
    count: int
    oldest_age_seconds: int
    what_to_do: str

    @property
    def oldest_age_text(self) -> str:
        """The age as a person says it."""
        minutes = self.oldest_age_seconds // 60
        return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def stalls(now: datetime) -> list[Stall]:
    """What waits for longer than a minute: inbox, intents, outbox, deliveries, mails.

    And what only people move, however long: what is parked, a missing seed, and what cars do not
    take however often they are told.
    """
    waiting = [*queues(now=now, patience=PATIENCE), *_of_sites(now)]
    return [
        Stall(what, count, int((now - oldest).total_seconds()), WHAT_TO_DO[what])
        for what, count, oldest in waiting
    ]


def queues(*, now: datetime, patience: timedelta) -> list[tuple[str, int, datetime]]:
    """What has waited for so long in a queue: how many, and since when the oldest has.

    What only people move is in it however long it has waited.
    """
    limit, backlog = now - patience, queries.backlog(now, patience=patience)
    waiting = [(each.what, each.count, each.oldest_at) for each in backlog]
    pending = Delivery.objects.filter(state=Delivery.State.PENDING, changed_at__lte=limit)
    given_up = Delivery.objects.filter(Delivery.STUCK, retries__gte=Delivery.MOST)
    unsent = Notice.objects.filter(sent_at=None, created_at__lte=limit)
    waiting += _counted("deliveries", pending, "changed_at")
    waiting += _counted("mails", unsent, "created_at")
    waiting += _counted("given_up", given_up, "stuck_at")
    declared = Declaration.objects.filter(state=Declaration.State.OPEN)
    waiting += _counted("declarations", declared, "received_at")
    if since := rotation.lacking():
        waiting.append(("lease_keys", 1, since))
    return waiting


def _of_sites(now: datetime) -> list[tuple[str, int, datetime]]:
    standings = sites.standings()
    away = [each.away_since for each in standings if each.away_since]
    late = [since for each in standings if (since := each.scrub_late_since(now))]
    found = [
        ("site_away", len(away), min(away)) if away and min(away) <= now - PATIENCE else None,
        ("scrub", len(late), min(late)) if late else None,
    ]
    found += [
        ("site_ahead", each.ahead, each.ahead_since)
        for each in standings
        if each.ahead and each.ahead_since
    ]
    return [each for each in found if each]


def _counted(what: str, rows: Any, since: str) -> list[tuple[str, int, datetime]]:
    found = rows.aggregate(count=Count("pk"), oldest=Min(since))
    return [(what, found["count"], found["oldest"])] if found["count"] else []
