"""Celery's way into billing: each task is a use case and the time; the rows are the queue."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from billing import checkout, clock, gateway, intents, locks, webhooks

log = structlog.get_logger()
AT_MOST = 20  # seconds for each kind of work in one sweep


@shared_task
def process_event(event_id: int) -> None:
    """Handle one event; when Stripe is away the sweep tries again."""
    try:
        webhooks.process(event_id, now=clock.now())
    except gateway.StripeAway as error:
        log.warning("stripe_away", event_id=event_id, error=str(error))


@shared_task
def sweep() -> None:
    """Handle what no message has brought: events, intents, pages that closed unheard."""
    with locks.only_one("billing.sweep") as mine:
        if mine:
            _sweep()


def _sweep() -> None:
    now = clock.now()
    try:
        _each(webhooks.process, webhooks.due(now))
        _each(intents.perform, intents.due(now))
        _each(checkout.settle, checkout.due(now))
    except gateway.StripeAway as error:
        log.warning("stripe_away", error=str(error))


def _each(use_case: Callable[..., Any], waiting: Iterable[Any]) -> None:
    """Do what waits, for a while: a slow Stripe is not to starve what waits behind."""
    until = time.monotonic() + AT_MOST
    for what in waiting:
        if time.monotonic() > until:
            break
        _one(use_case, what)


def _one(use_case: Callable[..., Any], what: Any) -> None:
    """Do one of many: its failure is logged and stops no other, but that Stripe is away does."""
    try:
        use_case(what, now=clock.now())
    except (gateway.StripeAway, SoftTimeLimitExceeded):
        raise
    except Exception:
        log.exception("sweep_failed", use_case=use_case.__qualname__, what=str(what))
