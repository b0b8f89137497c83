"""Celery's way into the fleet: each task is a use case and the time; the rows are the queue."""

import structlog
from celery import shared_task
from django.conf import settings

from billing import clock
from fleet import delivery, snapshots
from fleet.models import UsedAssertion

log = structlog.get_logger()
BATCHES = 100  # a task stays short; what is left over waits for the next sweep


@shared_task
def publish(site: str) -> None:
    """Tell one site all that has changed."""
    try:
        for _ in range(BATCHES):
            if not delivery.publish(site, now=clock.now()):
                return
    except snapshots.SiteAway as error:
        log.warning("site_away", site=site, error=str(error))


@shared_task
def sweep() -> None:
    """Tell every site what no message has brought, and which catalogue is published."""
    for site in settings.SITES:
        publish(site)
        try:
            delivery.publish_catalog(site)
        except snapshots.SiteAway as error:
            log.warning("site_away", site=site, error=str(error))


@shared_task
def tidy() -> None:
    """Forget spent assertions that could not be used again anyway."""
    UsedAssertion.objects.filter(expires_at__lt=clock.now()).delete()
