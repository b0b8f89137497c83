"""The engine of the journeys: one process, one frozen time, the product and its Stripe in it.

It decides when what is due happens, and when webhooks come. It must never know what ought to
follow: that is told by telling.py and stated by the tests.

# Note [Time moves step by step]
Time stands still until somebody moves it, and both sides read the same instant. `go_to` stops at
each instant at which the sandbox or the product has something to do by itself; it lets that happen,
delivers the webhooks and runs the product's sweeps there, and goes on. So nothing happens at an
instant that is not its own, as if the sweeps ran all the time.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import flask
import stripe
import time_machine
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Min, QuerySet
from django.test import override_settings
from werkzeug.test import TestResponse

import billing.tasks
import connectivity.accounts.tasks
import connectivity.law.tasks
import connectivity.notices.tasks
import fleet.tasks
from billing import clock
from billing.gateway import client
from billing.models import Checkout, Intent, StripeEvent, Subscription
from connectivity.accounts.grace import GRACE
from connectivity.law.models import Declaration
from connectivity.notices.models import Notice
from sandbox import app as sandbox_app
from sandbox.config import Config
from sandbox.stripe.world import World as Sandbox
from tests import shop
from tests.journeys.wires import InProcess, post_webhook

SWEEPS: tuple[Callable[[], Any], ...] = (
    billing.tasks.sweep,
    fleet.tasks.watch,
    fleet.tasks.sweep,
    connectivity.law.tasks.sweep,
    connectivity.notices.tasks.sweep,
    connectivity.accounts.tasks.sweep,
)
# How long before it a charge is told of; the sweeps look for it from then on.
FIRST_CHARGE_TOLD, YEARLY_CHARGE_TOLD = timedelta(days=8), timedelta(days=30)
MOST_ROUNDS = 20  # What still moves after so many is a circle.


class Webhooks:
    """What Stripe has to tell: delivered at once, or held and delivered as a test likes."""

    def __init__(self, deliverer: Any) -> None:
        self._deliverer = deliverer
        self.held = False

    def hold(self) -> None:
        """From now on events wait."""
        self.held = True

    def flow(self) -> None:
        """From now on events come as they are made; those that wait come first."""
        self.held = False

    def waiting(self, which: Collection[str] | None = None) -> list[dict[str, Any]]:
        """What waits, in the order in which it happened; `which` names event types."""
        waiting = self._deliverer.waiting()
        return [event for event in waiting if which is None or event["type"] in which]

    def deliver(
        self,
        *,
        which: Collection[str] | None = None,
        order: Callable[[Sequence[int]], Sequence[int]] = list,
        times: int = 1,
    ) -> int:
        """Deliver what waits now, each `times` times, in the order that `order` makes of it."""
        deliveries = [event["delivery"] for event in self.waiting(which)]
        for delivery in order(deliveries * times):
            self.deliver_one(delivery)
        return len(deliveries)

    def deliver_one(self, delivery: int) -> None:
        """Deliver one event, once more if it was delivered before; it has to be taken."""
        attempt = self._deliverer.deliver(delivery, again=True)
        assert attempt is None or attempt.taken, f"The webhook was not taken: {attempt}"

    def drop(self, which: Collection[str] | None = None) -> int:
        """What waits is never delivered."""
        return int(self._deliverer.drop([event["delivery"] for event in self.waiting(which)]))


class World:
    """The product, its Stripe and the time."""

    can_come_back = True  # to what it was

    def __init__(self, app: flask.Flask, traveller: time_machine.Traveller) -> None:
        self.app = app
        self.sandbox: Sandbox = app.extensions["world"]
        self.webhooks = Webhooks(self.sandbox.deliverer)
        self._traveller = traveller
        self._pages = app.test_client(use_cookies=False)

    @property
    def now(self) -> datetime:
        """The instant at which the world stands still."""
        return clock.now()

    def jump_to(self, instant: datetime) -> None:
        """Move the time and let nothing happen; never backwards."""
        assert instant >= self.now, f"Time does not go back from {self.now} to {instant}."
        self._traveller.move_to(instant, tick=False)

    def go_to(self, instant: datetime) -> None:
        """Move the time. See Note [Time moves step by step]."""
        while (due := self.next_due()) is not None and due <= instant:
            self.jump_to(max(due, self.now))
            self.settle()
        self.jump_to(instant)
        self.settle()

    def next_due(self) -> datetime | None:
        """When something will next happen by itself, on either side."""
        ours = min(_wakes(self.now), default=None)
        return min(filter(None, (ours, self.next_at_stripe())), default=None)

    def next_at_stripe(self) -> datetime | None:
        """When the sandbox will next do something by itself."""
        with self.sandbox.store.reading() as tx:
            due = tx.db.execute("SELECT min(due_at) FROM due_actions").fetchone()[0]
        return None if due is None else datetime.fromtimestamp(due, UTC)

    def catch_up(self) -> None:
        """Let Stripe do what is due by now."""
        self.sandbox.runner.catch_up()

    def made(self, kind: str, after: int) -> tuple[list[dict[str, Any]], int]:
        """Stripe's objects of a kind that are newer, the oldest first; and how new the last is."""
        with self.sandbox.store.reading() as tx:
            found = tx.select(kind, "seq > ?", [after], tail="ORDER BY seq")
            newest = "SELECT max(seq) FROM objects WHERE kind = ?"
            return found, tx.db.execute(newest, (kind,)).fetchone()[0] or 0

    def settle(self) -> None:
        """Let all that is due at this instant happen, on both sides, until nothing moves."""
        for _ in range(MOST_ROUNDS):
            self.catch_up()
            delivered = 0 if self.webhooks.held else self.webhooks.deliver()
            for sweep in SWEEPS:
                sweep()
            if not delivered and (self.webhooks.held or not self.webhooks.waiting()):
                return
        raise AssertionError("The product and its Stripe keep each other busy without an end.")

    def visit(self, url: str, form: dict[str, str] | None = None) -> TestResponse:
        """Open a page that Stripe hosts, or send its form; redirects are for people to follow."""
        method = "GET" if form is None else "POST"
        return self._pages.open(url, method=method, data=form)


def _wakes(now: datetime) -> Iterator[datetime]:
    """The instants to come at which a sweep of the product finds something new to do."""
    waiting: tuple[tuple[QuerySet[Any], str, timedelta], ...] = (
        (Checkout.objects.filter(state__in=["open", "abandoned"]), "check_at", timedelta()),
        (Intent.objects.filter(answered_at=None), "next_attempt_at", timedelta()),
        (StripeEvent.objects.filter(state="received"), "next_attempt_at", timedelta()),
        (Notice.objects.filter(sent_at=None), "next_attempt_at", timedelta()),
        (Declaration.objects.filter(state__in=Declaration.MOVING), "act_at", timedelta()),
        (get_user_model().objects.filter(closing_at=None), "close_asked_at", -GRACE),
        (Subscription.objects.filter(status="trialing"), "trial_ends_at", FIRST_CHARGE_TOLD),
        (Subscription.objects.filter(interval="year"), "paid_through", YEARLY_CHARGE_TOLD),
    )
    for rows, field, before in waiting:
        later = rows.filter(**{f"{field}__gt": now + before})
        first = later.aggregate(first=Min(field))["first"]
        if first is not None:
            yield first - before


@contextlib.contextmanager
def opened(folder: Path, *, at: datetime, record: Path | None) -> Iterator[World]:
    """A world that begins at an instant, with the catalogue on sale; `record` keeps all exchanges.

    Only one is open at a time: the time and the gateway's client are the process's.
    """
    config = Config(
        data_dir=folder / "sandbox",
        clock_file=folder / "clock",  # Nobody writes it: time is moved for both sides at once.
        webhook_url="http://testserver/billing/webhook/",
        webhook_secret=settings.STRIPE_WEBHOOK_SECRETS[0],
        record=record,
        durable=False,
    )
    with (
        time_machine.travel(at, tick=False) as traveller,
        override_settings(CLOCK_FILE=str(config.clock_file)),
    ):
        app = sandbox_app.create_app(config, send=post_webhook)
        in_process = stripe.StripeClient(
            settings.STRIPE_SECRET_KEY,
            max_network_retries=client.RETRIES,
            http_client=InProcess(app),
            base_addresses={"api": "http://localhost"},
        )
        with mock.patch.object(client, "_client_for", return_value=in_process):
            world = World(app, traveller)
            shop.opens(world.sandbox.store, "journeys")
            world.settle()
            try:
                yield world
            finally:
                world.sandbox.store.close()
