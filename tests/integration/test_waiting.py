"""Held requests over real HTTP: what wakes a car that waits, and what ends its wait."""

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings

from billing import clock, grants, subjects
from billing.grants import Gift
from fleet import delivery, pace, rows, wake
from tests.edge_server import Edge, Said, running_edge
from tests.factories import Car, make_car
from tests.running import soon

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("waiting")]
CHECK = "/vehicle/v1/entitlement"
SOON = 2.0  # seconds, far below every wait of these tests
LONG = 40


@pytest.fixture(scope="module")
def edge(django_db_setup, tmp_path_factory) -> Iterator[Edge]:
    with running_edge(tmp_path_factory.mktemp("edge")) as running:
        yield running


class Waiter:
    """A car that has its document and waits for the next."""

    def __init__(self, edge: Edge, pool: ThreadPoolExecutor) -> None:
        self._edge, self._pool = edge, pool
        self.car: Car = make_car()
        self.car.sign_in()
        publish()
        self.etag = self.asks().one("ETag")
        before = reads()
        self.asks(If_None_Match=self.etag)
        self._reads = reads() - before  # of the site, for one look at what a car is told

    @property
    def id(self) -> Any:
        return self.car.vehicle.id

    def asks(self, **headers: str) -> Said:
        return self._edge.ask("GET", CHECK, Authorization=f"Bearer {self.car.token}", **headers)

    def waits(self, seconds: int = LONG) -> "Future[tuple[Said, float]]":
        """Ask to be held, and return once that is so; the answer comes with its seconds."""
        before = reads()
        waiting = self._pool.submit(self._timed, seconds)
        # Who is held has been looked at twice: see fleet.api.holding.
        assert soon(lambda: waiting.done() or reads() >= before + 2 * self._reads, 10)
        return waiting

    def _timed(self, seconds: int) -> tuple[Said, float]:
        began = time.monotonic()
        said = self.asks(If_None_Match=self.etag, Prefer=f"wait={seconds}")
        return said, time.monotonic() - began

    def is_given(self, **lasts: float) -> None:
        """Staff give the car Premium."""
        now = clock.now().replace(microsecond=0)
        ends_at = now + timedelta(**lasts)
        grants.give(Gift(self.id, "premium", "goodwill", now, ends_at), now=now)


@pytest.fixture
def waiter(edge: Edge) -> Iterator[Waiter]:
    with ThreadPoolExecutor(4) as pool:
        yield Waiter(edge, pool)


def publish() -> None:
    delivery.publish("local", now=clock.now())
    delivery.publish_lease_schedule("local")
    delivery.publish_catalog("local")
    delivery.publish_pace("local")


@contextlib.contextmanager
def site() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.SITES["local"]) as connected:
        yield connected


def reads() -> int:
    """How often the site has been read."""
    with site() as connected:
        return int(connected.info("commandstats")["cmdstat_get"]["calls"])


def document(said: Said) -> Any:
    assert said.status == 200, said
    return json.loads(said.body)


def test_a_change_is_told_at_once(waiter: Waiter) -> None:
    waiting = waiter.waits()
    began = time.monotonic()
    waiter.is_given(days=10)
    publish()
    said, _ = waiting.result()
    assert time.monotonic() - began < SOON
    assert document(said)["plan"] == "premium"
    assert said.one("Preference-Applied") == f"wait={LONG}"
    assert int(said.one("Poll-After")) > 0


def test_a_change_of_another_car_is_not(waiter: Waiter) -> None:
    waiting = waiter.waits(1)
    subjects.bump([make_car().vehicle.id], now=clock.now())
    publish()
    said, seconds = waiting.result()
    assert (said.status, said.one("ETag")) == (304, waiter.etag)
    assert said.one("Preference-Applied") == "wait=1"
    assert 0.8 <= seconds < 1 + SOON


def test_a_change_of_which_no_message_came_is_told_when_the_wait_is_over(
    waiter: Waiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "call", lambda _: ("PING",))
    waiting = waiter.waits(1)
    waiter.is_given(days=10)
    publish()
    said, seconds = waiting.result()
    assert document(said)["plan"] == "premium"
    assert 0.8 <= seconds < 1 + SOON


def test_what_changed_while_the_channel_was_cut_is_told_once_it_is_back(
    waiter: Waiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "call", lambda _: ("PING",))
    waiting = waiter.waits()
    waiter.is_given(days=10)
    publish()
    began = time.monotonic()
    with site() as connected:
        connected.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    said, _ = waiting.result()
    assert document(said)["plan"] == "premium"
    assert time.monotonic() - began < SOON


def test_what_is_new_already_is_told_without_a_wait(waiter: Waiter) -> None:
    waiter.is_given(days=10)
    publish()
    said, seconds = waiter.waits().result()
    assert document(said)["plan"] == "premium"
    assert seconds < SOON
    assert waiter.asks(Prefer="wait=40").status == 200, "who has no document is not held"


def test_an_end_that_time_brings_is_told_at_its_instant(waiter: Waiter) -> None:
    waiter.is_given(seconds=4)
    publish()
    first = waiter.asks()
    waiter.etag = first.one("ETag")
    ends_at = rows.load([waiter.id])[0].grants[-1].ends_at or 0
    said, _ = waiter.waits().result()
    assert 0 <= clock.unix() - ends_at < SOON
    assert document(said)["plan"] == "standard"


def test_the_newest_of_a_cars_requests_is_held(waiter: Waiter) -> None:
    older = waiter.waits()
    newer = waiter.waits()
    said, seconds = older.result()
    assert (said.status, seconds < LONG / 2) == (304, True)
    assert said.all("Preference-Applied") == []
    assert 1 <= int(said.one("Poll-After")) <= 15
    assert not newer.done()
    waiter.is_given(days=10)
    publish()
    assert newer.result()[0].status == 200


def test_cars_that_staff_slowed_down_are_not_held(waiter: Waiter) -> None:
    pace.change(market="US", seconds=3600, reason="A site is full.", actor=None, now=clock.now())
    publish()
    said, seconds = waiter.waits().result()
    assert (said.status, seconds < SOON) == (304, True)
    assert said.all("Preference-Applied") == []
    assert int(said.one("Poll-After")) > 3000


def test_an_edge_that_ends_answers_all_at_once(tmp_path: Path, waiter: Waiter) -> None:
    with running_edge(tmp_path) as ending:
        waiter._edge = ending
        waiting = waiter.waits()
        began = time.monotonic()
        ending.process.send_signal(signal.SIGTERM)
        said, _ = waiting.result()
        assert ending.process.wait(5) is not None
        assert time.monotonic() - began < 3
    assert (said.status, said.one("ETag")) == (304, waiter.etag)
    assert 1 <= int(said.one("Poll-After")) <= 15
