"""One world for many sequences: cleared between two of them, with a time that moves.

It must never know what ought to follow from anything. The time stops where something falls due
(see Note [Time moves step by step] in tests/journeys/world.py), but no mails are written: nothing
here depends on them, and most of the time would go into them.
"""

import contextlib
import copy
import json
import random
import sqlite3
import uuid
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import redis
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connection
from django.test import RequestFactory

import billing.tasks
import billing.views
import billing.webhooks
import fleet.tasks
from billing import clock, models, reconcile
from fleet import credentials
from fleet import models as fleet_models
from fleet.api import check
from fleet.desk import Desk
from tests.factories import Car
from tests.journeys.memory import Kept
from tests.journeys.world import MOST_ROUNDS, World

# Whether a sweep would find something to do, and when one next will.
_WAITS = """SELECT min(at) FROM (
    SELECT next_attempt_at AS at FROM billing_stripeevent WHERE state = 'received'
    UNION ALL SELECT next_attempt_at FROM billing_intent
        WHERE answered_at IS NULL OR answer->'pending' = 'true'
    UNION ALL SELECT check_at FROM billing_checkout AS page WHERE state = 'open'
        OR state = 'abandoned' AND stripe_session_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM billing_subscription WHERE checkout_id = page.id)
) AS waiting WHERE at """
_LATE = f"({_WAITS} <= %(now)s) IS NOT NULL"
_DUE = f"SELECT EXISTS (SELECT FROM billing_change) OR {_LATE}"  # noqa: S608 -- our own words
_NEXT = f"{_WAITS} > %(now)s"
# What was done, on either side.
_HERE = """SELECT (SELECT count(*) FROM billing_intent) + (SELECT count(*) FROM billing_domainevent)
    + (SELECT count(*) FROM fleet_domainevent)"""
_THERE = """SELECT (SELECT max(seq) FROM objects), (SELECT sum(attempts) FROM deliveries),
    (SELECT count(*) FROM deliveries WHERE state = 'pending')"""
YEAR = 366 * 86_400
REQUESTS = RequestFactory()
KEPT = {models.CatalogRevision, models.StripePrice}
OUTAGE = timedelta(hours=6)
HOUR = timedelta(minutes=65)  # longer than the product ever waits before it tries again


@dataclass(frozen=True)
class Disorder:
    """How webhooks that waited come: how many of them, how often each, in which order."""

    seed: int
    keep: float = 1.0
    times: int = 1


class Stage:
    """The world of all sequences, and how to begin the next one in it."""

    def __init__(self, world: World, begin: datetime) -> None:
        self.world, self._begin = world, begin
        self._sites = [redis.Redis.from_url(url) for url in settings.SITES.values()]
        self._tables = _tables()
        self._walked: dict[Hashable, tuple[Kept, Any]] = {}
        self.last_answer: Any = None
        self._back_at: datetime | None = None  # when an outage is over
        self.disorder = Disorder(0)  # in which webhooks come that are held
        self.changes = 0  # at Stripe, so that nobody reads what has not changed
        world.sandbox.store.after_commit(self._changed)
        self._tell_only_what_is_handled()
        world.sandbox.deliverer._send = _hand_over
        self._template = sqlite3.connect(":memory:")
        with world.sandbox.store.reading() as tx:
            tx.db.backup(self._template)

    def close(self) -> None:
        """Let go of what was opened."""
        self._template.close()
        for site in self._sites:
            site.close()

    def _tell_only_what_is_handled(self) -> None:
        """As Stripe advises: of what is kept and ignored others tell, and it takes a third more."""
        with self.world.sandbox.store.writing() as tx:
            [endpoint] = tx.select("webhook_endpoint")
            tx.change(endpoint, enabled_events=sorted(billing.webhooks.HANDLED))

    def _changed(self) -> None:
        self.changes += 1

    def begin(self, where: Hashable, way: Callable[[], Any]) -> Any:
        """Go that way from an empty product, or be where it led; return a copy of what it has made.

        See Note [Walked once] in tests/journeys/memory.py: a quarter of the time went into it.
        """
        if where in self._walked:
            kept, made = self._walked[where]
            self._first_instant()
            kept.put_back(self.world.sandbox.store)
        else:
            self._clear()
            made = way()
            schema = f"begun_{uuid.uuid4().hex}"
            self._walked[where] = Kept(self.world.sandbox.store, schema), made
        return copy.copy(made)

    def _clear(self) -> None:
        """An empty product with its catalogue on sale, at the first instant."""
        with connection.cursor() as cursor:
            cursor.execute(self._tables)
        for site in self._sites:
            site.flushdb()
        with self.world.sandbox.store._connection() as db:
            self._template.backup(db)
        self._first_instant()

    def _first_instant(self) -> None:
        self.mend()
        self.world.sandbox.meter.reset()
        self.changes += 1
        self.world.webhooks.held = False
        self.world._traveller.move_to(self._begin, tick=False)

    @property
    def now(self) -> datetime:
        """The instant at which the world stands still."""
        return clock.now()

    def settle(self) -> None:
        """Let all that is due at this instant happen, on both sides, until nothing moves."""
        webhooks = self.world.webhooks
        for _ in range(MOST_ROUNDS):
            self.world.sandbox.runner.catch_up()
            delivered = 0 if webhooks.held else webhooks.deliver()
            if self._asked(_DUE):
                billing.tasks.sweep()
                fleet.tasks.sweep()
            if not delivered and (webhooks.held or not webhooks.waiting()):
                return
        raise AssertionError("The product and its Stripe keep each other busy without an end.")

    def go_to(self, instant: datetime, look: Callable[[], None]) -> None:
        """Move the time, stop where something falls due, and `look` at each stop."""
        while (due := self._next_due()) is not None and due <= instant:
            self.world.jump_to(max(due, self.now))
            if self._back_at and self._back_at <= self.now:
                self.mend()
            self.settle()
            look()
        self.world.jump_to(instant)
        self.settle()

    def _next_due(self) -> datetime | None:
        ours: datetime | None = self._asked(_NEXT)
        every = (ours, self.world.next_at_stripe(), self._back_at)
        return min(filter(None, every), default=None)

    def break_line(self, kind: str, times: int, method: str) -> None:
        """The next calls to Stripe do not get through, or their answers; an outage takes hours."""
        self.world.sandbox.faults.plant(kind, times=times, method=method)
        if kind == "outage":
            self._back_at = self.now + OUTAGE

    def mend(self) -> None:
        """All calls get through again."""
        self.world.sandbox.faults.clear()
        self._back_at = None

    def _asked(self, question: str) -> Any:
        """Ask in one query what the sweeps would ask in many."""
        with connection.cursor() as cursor:
            cursor.execute(question, {"now": self.now})
            return cursor.fetchone()[0]

    def traces(self) -> object:
        """What differs after anything that took effect, on either side or on the way."""
        faults, webhooks = self.world.sandbox.faults, self.world.webhooks
        with self.world.sandbox.store.reading() as tx:
            there = tx.db.execute(_THERE).fetchone()
        return self.now, there, self._asked(_HERE), webhooks.held, repr(faults._waiting)

    def heal(self, look: Callable[[], None]) -> None:
        """All is well again, and what was lost is looked for: the sweeps, then a repair."""
        self.mend()
        if self.world.webhooks.held:
            self.shuffle(self.disorder)
            self.world.webhooks.drop()
            self.world.webhooks.flow()
        self.settle()
        self.go_to(self.now + HOUR, look)
        billing.tasks.catch_up()
        self.go_to(self.now + billing.webhooks.CALM + HOUR, look)
        run = reconcile.begin(repairs=True, now=self.now)
        while reconcile.step(run, reconcile.Pace(clock.now)):
            pass
        self.settle()

    def findings(self) -> list[str]:
        """What a comparison finds now, without a repair."""
        run = reconcile.begin(repairs=False, now=self.now)
        while reconcile.step(run, reconcile.Pace(clock.now)):
            pass
        return [f"{each.kind}: {each.what} {each.detail}" for each in run.findings.all()]

    def shuffle(self, how: Disorder) -> None:
        """Deliver some of what waits, out of order and perhaps more than once."""
        chance = random.Random(how.seed)
        waiting = [each["delivery"] for each in self.world.webhooks.waiting()]
        chosen = [each for each in waiting if chance.random() < how.keep] * how.times
        chance.shuffle(chosen)
        for delivery in chosen:
            self.world.webhooks.deliver_one(delivery)

    @contextlib.contextmanager
    def quiet_line(self) -> Iterator[None]:
        """Stripe's own staff and pages do not meet the faults of our line."""
        faults = self.world.sandbox.faults
        waiting, faults._waiting = faults._waiting, []
        try:
            yield
        finally:
            faults._waiting = waiting

    def dashboard(self, method: str, path: str, **form: Any) -> int:
        """Do something at Stripe, as its dashboard does; return the status of the answer."""
        with self.quiet_line():
            answer = self.world.app.test_client(use_cookies=False).open(
                path,
                method=method,
                data=form,
                headers={"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"},
            )
        self.last_answer = answer.get_json(silent=True)
        return answer.status_code


def told(cars: Sequence[Car]) -> list[tuple[bool, int]]:
    """Of each car, whether it is told Premium now, and which version; one that is refused is not.

    It is the check's own protocol, below the server: what the edge and Django both answer by.
    """
    answers = async_to_sync(_answers)([_asked(car) for car in cars])
    said = [json.loads(body) if status == HTTPStatus.OK else {} for status, _, body in answers]
    return [(each.get("plan") == "premium", each.get("version", 0)) for each in said]


async def _answers(asked: Sequence[bytes]) -> list[check.Answer]:
    desk = Desk()
    try:
        now = int(clock.unix())
        return [await check.answer(desk, each, b"", check.Asked, now=now) for each in asked]
    finally:
        await desk.close()


def _asked(car: Car) -> bytes:
    if not car.token:
        car.token = credentials.issue(car.vehicle, int(clock.unix()) + 30 * YEAR)
    return f"Bearer {car.token}".encode()


def _hand_over(url: str, body: str, signed: str) -> int:
    """Give an event to the view itself: what lies before it is the same for all of them."""
    headers = {"Stripe-Signature": signed}
    kind = "application/json; charset=utf-8"
    request = REQUESTS.post(urlsplit(url).path, body, content_type=kind, headers=headers)
    return billing.views.webhook(request).status_code


def _tables() -> str:
    """What empties the tables, but for the catalogue and the people."""
    every = [
        model
        for module in (models, fleet_models)
        for model in vars(module).values()
        if isinstance(model, type) and hasattr(model, "_meta") and model not in KEPT
    ]
    names = sorted({connection.ops.quote_name(model._meta.db_table) for model in every})
    emptied = "; ".join(f"DELETE FROM {name}" for name in names)  # noqa: S608 -- our own tables
    return (
        f"SET session_replication_role = replica; {emptied}; SET session_replication_role = DEFAULT"
    )
