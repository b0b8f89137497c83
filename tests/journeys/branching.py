"""Tries many continuations of one history: goes on from a state, and comes back to it.

It decides nothing about what is tried. A state is the product's whole database at one instant;
Stripe's own state stays as it is, so only what reads from Stripe may be tried.

# Note [Back to where we were]
Everything is tried inside one transaction and undone by savepoints. What the product would do
after its commits is done after each delivery. Valkey is emptied, since a version that was taken
back must not be remembered, and mails that went out did not.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import redis
from django.conf import settings
from django.core import mail
from django.db import connection, transaction
from django.test import TestCase

from billing.models import (
    Checkout,
    DomainEvent,
    Grant,
    Intent,
    Invoice,
    Seat,
    StripeEvent,
    Subscription,
)
from connectivity.notices.models import Notice
from sandbox.stripe.webhooks import secrets_of, signature
from tests.factories import Car
from tests.journeys.telling import Teller
from tests.journeys.wires import post_webhook, remembered_reads
from tests.journeys.world import SWEEPS, World

# What differs between two ways to one state, or follows from the rest: row numbers, how often
# Stripe was asked, what an event said in its own words.
ACCIDENTAL = frozenset(
    {"id", "payload", "handled_at", "synced_at", "ticket", "recorded_ticket", "event_id"}
    | {"subscription_id"}
)
TOLD = (Grant, Subscription, Invoice, Seat, Checkout, Intent, StripeEvent, DomainEvent, Notice)


class Branches:
    """The states that can be reached from here by webhooks."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._letters = len(mail.outbox)
        self._statement = _statement()
        self._sites = [redis.Redis.from_url(url) for url in settings.SITES.values()]
        with world.sandbox.store.reading() as tx:
            [endpoint] = tx.select("webhook_endpoint")
            self._url, self._private = endpoint["url"], tx.private(endpoint["id"])

    @contextlib.contextmanager
    def rooted(self) -> Iterator[None]:
        """Undo at the end all that is tried within. See Note [Back to where we were]."""
        root: Any = transaction.atomic()
        root._from_testcase = True  # The product's own durable transactions may begin within.
        with remembered_reads(), root:
            try:
                yield
            finally:
                transaction.set_rollback(True)
                self._forget()
                for site in self._sites:
                    site.close()

    @contextlib.contextmanager
    def branch(self) -> Iterator[None]:
        """Come back at the end to the state of now."""
        mark = transaction.savepoint()
        try:
            yield
        finally:
            transaction.savepoint_rollback(mark)
            self._forget()

    def body(self, event_id: str) -> str:
        """An event in the words in which it is delivered."""
        with self._world.sandbox.store.reading() as tx:
            return json.dumps(tx.get("event", event_id))

    def deliver(self, body: str) -> None:
        """Deliver an event; all that the product does about it at once is done then."""
        signed = signature(body, secrets_of(self._private), int(time.time()))
        with TestCase.captureOnCommitCallbacks(execute=True):
            status = post_webhook(self._url, body, signed)
        assert status == 200, f"The webhook was answered with {status}."

    def sweep(self) -> None:
        """Do what no message has brought."""
        for sweep in SWEEPS:
            with TestCase.captureOnCommitCallbacks(execute=True):
                sweep()

    @contextlib.contextmanager
    def later(self, by: timedelta) -> Iterator[None]:
        """Let the sweeps find what could wait, and come back to the state and the time of now."""
        now = self._world.now
        with self.branch():
            self._world.jump_to(now + by)
            self.sweep()
            try:
                yield
            finally:
                self._world._traveller.move_to(now, tick=False)

    def state(self) -> dict[str, list[str]]:
        """All that the product knows and has told, but for what is accidental."""
        with connection.cursor() as cursor:
            cursor.execute(self._statement, {"accidental": [*ACCIDENTAL - {"handled_at"}]})
            tables = cursor.fetchall()
        return {name: [str(_essence(row)) for row in json.loads(rows)] for name, rows in tables}

    def end(self, teller: Teller, car: Car) -> dict[str, list[str]]:
        """The state, and what the car is told in it."""
        return {**self.state(), "verdict": [str(teller.verdict(car))]}

    def _forget(self) -> None:
        del mail.outbox[self._letters :]
        for site in self._sites:
            site.flushdb()


def _statement() -> str:
    """One question for all rows of all these tables, each table's in the order in which they came.

    The inbox's are in that of Stripe's ids.
    """
    parts = []
    for model in TOLD:
        order = "stripe_event_id" if model is StripeEvent else model._meta.pk.column
        rows = f"jsonb_agg(to_jsonb(one) - %(accidental)s::text[] ORDER BY one.{order})"
        table = connection.ops.quote_name(model._meta.db_table)
        told = f"SELECT '{model.__name__}', coalesce({rows}, '[]')"
        parts.append(f"{told} FROM {table} AS one")
    return " UNION ALL ".join(parts)


def _essence(row: dict[str, Any]) -> dict[str, Any]:
    """A row without what is accidental; when it would be tried again, only if it would be."""
    done = any(row.get(name) for name in ("handled_at", "answered_at", "sent_at"))
    passing = ACCIDENTAL | {"next_attempt_at"} if done else ACCIDENTAL
    return {name: value for name, value in row.items() if name not in passing}
