"""Celery's way into accounts: goes on with those that close; the rows are the queue."""

import structlog
from celery import shared_task

from billing import clock, closing, locks
from connectivity.accounts import grace
from connectivity.accounts.closing import due, forget_addresses, go_on, start

log = structlog.get_logger()


@shared_task
def sweep() -> None:
    """Go on with each account that is to close; one that fails stops no other."""
    with locks.only_one("accounts.sweep") as mine:
        if not mine:
            return
        for user in grace.over(now=clock.now()):
            start(user=user, now=clock.now())
        for user in due():
            try:
                go_on(user, now=clock.now())
            except closing.StripeAway as error:
                log.warning("stripe_away", error=str(error))
                break
            except Exception:
                log.exception("account_not_closed", user_id=str(user.pk))
        forget_addresses(now=clock.now())
