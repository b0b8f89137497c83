"""Celery's way into billing: each task is a use case and the time; the rows are the queue."""

from collections.abc import Callable
from typing import Any

import structlog
from celery import shared_task

from billing import checkout, clock, gateway, intents, locks, webhooks

log = structlog.get_logger()


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
        for event_id in webhooks.due(now):
            _one(webhooks.process, event_id)
        for intent in intents.due(now):
            _one(intents.perform, intent)
        for page in checkout.due(now):
            _one(checkout.settle, page)
    except gateway.StripeAway as error:
        log.warning("stripe_away", error=str(error))


def _one(use_case: Callable[..., Any], what: Any) -> None:
    """Do one of many: its failure is logged and stops no other, but that Stripe is away does."""
    try:
        use_case(what, now=clock.now())
    except gateway.StripeAway:
        raise
    except Exception:
        log.exception("sweep_failed", use_case=use_case.__qualname__, what=str(what))
