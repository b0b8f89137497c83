"""Celery's way into billing: each task is a use case and the time; the rows are the queue."""

import functools
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError

from billing import (
    budget,
    checkout,
    clock,
    gateway,
    intents,
    locks,
    reconcile,
    reminders,
    switching,
    webhooks,
)

log = structlog.get_logger()
READ_AT_MOST = 45  # seconds of reading Stripe's lists in one task
AT_MOST = 20  # seconds for each kind of work in one sweep
ROUNDS = 5


@shared_task
def process_event(event_id: int) -> None:
    """Handle one event; when Stripe is away the sweep tries again."""
    try:
        webhooks.process(event_id, now=clock.now())
    except budget.Spent:
        log.debug("budget_spent", event_id=event_id)
    except gateway.StripeAway as error:
        log.warning("stripe_away", event_id=event_id, error=str(error))


@shared_task
def record_renewals() -> None:
    """Record what was paid, all that waits together, by one worker.

    Who finds another at it leaves: that one looks again after it has let go, so that it sees what
    was committed before this one came.
    """
    for _ in range(ROUNDS):
        if not webhooks.has_renewals(now=clock.now()):
            return
        with locks.only_one("billing.renewals") as mine:
            if not mine:
                return
            _record_renewals()


def _record_renewals() -> None:
    until = time.monotonic() + AT_MOST
    while time.monotonic() < until:
        found, left = webhooks.record_renewals(now=clock.now())
        for event_id in left:
            _process_soon(event_id)
        if found < webhooks.BATCH:
            return


def _process_soon(event_id: int) -> None:
    try:
        process_event.delay(event_id)
    except OperationalError:  # The broker's: the sweep finds it.
        log.exception("enqueue_failed", event_id=event_id)


@shared_task
def sweep() -> None:
    """Handle what no message has brought: events, intents, pages that closed unheard, reminders."""
    with locks.only_one("billing.sweep") as mine:
        if mine:
            _sweep()


def _sweep() -> None:
    now = clock.now()
    webhooks.unpark(now=now)
    record_renewals()
    try:
        _each(webhooks.process, webhooks.due(now))
        _each(intents.retry, intents.due(now))
        _each(checkout.settle, checkout.due(now))
        _each(switching.settle, switching.due(now))
    except gateway.StripeAway as error:
        log.warning("stripe_away", error=str(error))
    _each(reminders.remind, reminders.due(now))  # Needs no Stripe, and nobody waits for it.


@shared_task
def catch_up() -> None:
    """Take in the events that Stripe made and never delivered."""
    with locks.only_one("billing.catch_up") as mine:
        if mine:
            _read_on(reconcile.catch_up)


@shared_task
def reconcile_nightly() -> None:
    """Hold Stripe's whole state against ours for a while; the next minute goes on with it."""
    with locks.only_one("billing.reconcile") as mine:
        run = reconcile.due(clock.now()) if mine else None
        if run is not None:
            _read_on(functools.partial(reconcile.step, run))


def _read_on(read: Callable[[reconcile.Pace], bool]) -> None:
    """Read page by page, for a while: what is left, the next task reads."""
    pace, until = reconcile.Pace(clock.now), time.monotonic() + READ_AT_MOST
    try:
        while read(pace) and time.monotonic() < until:
            pass
    except (budget.Spent, gateway.StripeAway) as error:
        log.warning("reading_stopped", error=str(error))


def _each(use_case: Callable[..., Any], waiting: Iterable[Any]) -> None:
    """Do what waits, for a while: a slow Stripe is not to starve what waits behind."""
    until = time.monotonic() + AT_MOST
    for what in waiting:
        if time.monotonic() > until:
            break
        try:
            _one(use_case, what)
        except budget.Spent:
            break


def _one(use_case: Callable[..., Any], what: Any) -> None:
    """Do one of many: its failure is logged and stops no other, but that Stripe is away does."""
    try:
        use_case(what, now=clock.now())
    except (budget.Spent, gateway.StripeAway, SoftTimeLimitExceeded):
        raise
    except Exception:
        log.exception("sweep_failed", use_case=use_case.__qualname__, what=str(what))
