"""Goes through the stages of a reconciliation, a page at a time; see Note [Page by page]."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from billing import gateway
from billing.models import Finding, Reconciliation
from billing.reconcile import mirrors, missed, others, ours, queues
from billing.reconcile.finding import Found
from billing.reconcile.pace import Pace

Read = Callable[[str, Pace], tuple[list[Found], str, int]]
STAGES: dict[str, Read] = {
    "calls": queues.calls,
    "events": queues.events,
    "missed": missed.page,
    "subscriptions": mirrors.page,
    "customers": others.customers,
    "pages": others.pages,
    "disputes": others.disputed,
    "ours": ours.page,
}
TOO_OLD = timedelta(days=3)  # to go on with: what it has compared by then says nothing now
NIGHT = range(2, 6)  # hours of the day, UTC
log = structlog.get_logger()


def begin(*, repairs: bool, now: datetime) -> Reconciliation:
    """Go on with what was not finished, or begin anew."""
    going = Reconciliation.objects.filter(
        finished_at=None, repairs=repairs, started_at__gt=now - TOO_OLD
    )
    run = going.order_by("-started_at").first()
    return run or Reconciliation.objects.create(
        started_at=now, repairs=repairs, stage=next(iter(STAGES))
    )


def due(now: datetime) -> Reconciliation | None:
    """The nightly reconciliation that is to be gone on with now, or begun; None by day."""
    mine = Reconciliation.objects.filter(repairs=True, started_at__gt=now - timedelta(hours=20))
    last = mine.order_by("-started_at").first()
    if last is not None:
        return last if last.finished_at is None else None
    return begin(repairs=True, now=now) if now.hour in NIGHT else None


def step(run: Reconciliation, pace: Pace) -> bool:
    """Compare one page, and repair what is found if that was asked for; True if there is more.

    Raises gateway.StripeAway and budget.Spent; then the page is compared again.
    """
    found, cursor, compared = STAGES[run.stage](run.cursor, pace)
    for finding in found:
        _keep(run, finding, pace)
    run.compared += compared
    run.cursor = cursor
    if not cursor:
        run.stage = _after(run.stage)
        run.finished_at = None if run.stage else pace.now()
    run.save()
    return bool(run.stage)


def _after(stage: str) -> str:
    names = list(STAGES)
    return (names[names.index(stage) + 1 :] or [""])[0]


def _keep(run: Reconciliation, finding: Found, pace: Pace) -> None:
    """See Note [Repaired, then written down]."""
    repaired, detail = False, finding.detail
    if run.repairs and finding.repair is not None:
        pace.ask()
        try:
            repaired = finding.repair(pace.now())
        except gateway.StripeAway:
            raise
        except Exception as error:
            log.exception("repair_failed", kind=finding.kind, what=finding.what)
            detail = f"{detail} ({type(error).__name__}: {error})"
    Finding.objects.update_or_create(
        reconciliation=run,
        kind=finding.kind,
        what=finding.what[:255],
        defaults={
            "detail": detail,
            "found_at": pace.now(),
            "repaired_at": pace.now() if repaired else None,
        },
    )
    log.warning("reconcile_found", kind=finding.kind, what=finding.what, repaired=repaired)
