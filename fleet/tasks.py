"""Celery's way into the fleet: each task is a use case and the time; the rows are the queue."""

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from billing import clock, locks, subjects
from fleet import (
    delivery,
    drivers,
    progress,
    rebuild,
    retries,
    rotation,
    scrub,
    sites,
    snapshots,
    transfers,
)
from fleet.models import Rollout, UsedAssertion

log = structlog.get_logger()
BATCHES = 100  # a task stays short; what is left over waits for the next sweep
ROUNDS = 5


@shared_task
def publish(site: str) -> None:
    """Tell one site all that has changed; many changes are told together, by one worker.

    Who finds another at it leaves: that one looks again after it has let go, so that it sees what
    was committed before this one came. A site that does not answer is left to `watch`, so that it
    keeps no worker waiting for each change.
    """
    try:
        for _ in range(ROUNDS):
            if not subjects.has_unsent(site) or site not in sites.present():
                return
            with locks.only_one(f"fleet.publish:{site}") as mine:
                if not mine or not _tell(site):
                    return
    except snapshots.SiteAway as error:
        sites.note_away(site, error, now=clock.now())


def _tell(site: str) -> bool:
    """Tell a site what has changed until nothing is left, and say whether it came to that."""
    # Before any car's row is locked, for which others, and other sites, would wait.
    snapshots.ping(site)
    batches = (delivery.publish(site, now=clock.now()) for _ in range(BATCHES))
    return any(told < delivery.AT_ONCE for told in batches)


@shared_task
def sweep() -> None:
    """Tell every site that answers what no message has brought, and what holds for all cars."""
    rotation.settle(now=clock.now())
    for site in sites.present():
        publish(site)
        try:
            delivery.publish_lease_schedule(site)
            delivery.publish_catalog(site)
            delivery.publish_pace(site)
        except snapshots.SiteAway as error:
            sites.note_away(site, error, now=clock.now())


@shared_task
def retry_stuck() -> None:
    """Find what is stuck, and tell cars that are there again."""
    with locks.only_one("fleet.retry_stuck") as mine:
        if mine:
            now = clock.now()
            retries.find(now=now)
            for stuck in retries.due(now=now):
                retries.retry(stuck, now=now)


@shared_task
def watch() -> None:
    """Look at every site's server; one that was emptied is rebuilt, beside all else."""
    for site in settings.SITES:
        if sites.watch(site, now=clock.now()):
            rebuild_site.apply_async([site], expires=10)


@shared_task
def rebuild_site(site: str) -> None:
    """Tell a site of all vehicles; what a task's time does not suffice for the next one does."""
    if not sites.watch(site, now=clock.now()):
        return  # Somebody has done it while this waited for a worker.
    try:
        told = rebuild.rebuild(site, restart=False, show=lambda _: None)
    except rebuild.Busy:
        return
    except (snapshots.SiteAway, rebuild.Refused, SoftTimeLimitExceeded) as error:
        log.warning("rebuild_stopped", site=site, error=repr(error))
    else:
        log.warning("site_was_rebuilt", site=site, vehicles=told)


@shared_task
def compare() -> None:
    """Compare the next vehicles at each site with the rows."""
    for site in sites.present():
        try:
            scrub.scrub(site, now=clock.now())
        except snapshots.SiteAway as error:
            sites.note_away(site, error, now=clock.now())


@shared_task
def count_rollout(rollout_id: int) -> None:
    """Count how far a roll-out has come, unless somebody does, or just did."""
    with locks.only_one("fleet.count_rollout") as mine:
        rollout, now = Rollout.objects.get(pk=rollout_id), clock.now()
        if mine and progress.is_due(rollout, now=now):
            progress.count(rollout, now=now)


@shared_task
def tidy() -> None:
    """Forget spent assertions that could not be used again anyway; end what has run out."""
    for kind in (transfers, drivers):
        kind.expire(now=clock.now())
        kind.forget(now=clock.now())
    UsedAssertion.objects.filter(expires_at__lt=clock.now()).delete()
