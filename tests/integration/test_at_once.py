"""Fifty at the same moment, over two web processes: one page, one charge, one effect."""

import contextlib
import hashlib
import hmac
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
import requests
from django.conf import settings as django_settings
from django.core import mail
from django.db import connections

from billing import queries, tasks
from billing.models import Checkout, DomainEvent, Grant, Seat, StripeEvent, Subscription
from connectivity.notices.tasks import sweep as tell
from tests import shop
from tests.factories import make_car, make_user
from tests.integration.conftest import Stripe
from tests.integration.test_garage_pages import browser_of, page
from tests.sandbox_server import running_sandbox
from tests.servers import RECORDS
from tests.web_server import free_ports, running_webs

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
MANY = 50
SECRET, TOKEN = "whsec_test", "a" * 32


@dataclass(frozen=True)
class Webs:
    """Two web processes, where they look for Stripe, and their clock."""

    urls: list[str]
    stripe_port: int
    clock_file: Path


@dataclass(frozen=True)
class World:
    """A Stripe and two web processes, which know each other."""

    stripe: Stripe
    webs: list[str]


@pytest.fixture(scope="module")
def webs(django_db_setup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webs]:
    """The web processes, which outlive a test: each test's Stripe answers at the same address."""
    folder = tmp_path_factory.mktemp("webs")
    *ports, stripe = free_ports(3)
    clock_file = folder / "clock"
    environ = {
        "STRIPE_API_BASE": f"http://127.0.0.1:{stripe}",
        "CLOCK_FILE": str(clock_file),
    }
    with running_webs(folder, ports, **environ) as urls:
        yield Webs(urls, stripe, clock_file)


@pytest.fixture
def world(settings, tmp_path: Path, webs: Webs) -> Iterator[World]:
    """Stripe's own webhooks are held: each test brings those that it speaks of."""
    settings.CLOCK_FILE = str(webs.clock_file)
    with running_sandbox(
        tmp_path / "sandbox",
        clock_file=webs.clock_file,
        webhook_url=f"{webs.urls[0]}/billing/webhook/",
        webhook_secret=SECRET,
        record=Path(os.environ[RECORDS]) / f"{uuid.uuid4()}.jsonl",
        port=webs.stripe_port,
    ) as server:
        settings.STRIPE_API_BASE = server.url
        shop.opens(server.running.app.extensions["world"].store, "now")
        stripe = Stripe(server)
        stripe.control("webhooks/hold")
        yield World(stripe, webs.urls)


def at_once(work: Callable[[int], Any], count: int = MANY) -> list[Any]:
    """What each of so many threads gets, all of which begin at the same moment."""
    gate, found = Barrier(count), [None] * count

    def one(number: int) -> None:
        gate.wait(60)
        try:
            found[number] = work(number)
        finally:
            connections.close_all()

    threads = [Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def session_of(owner: Any) -> dict[str, str]:
    """The cookies of a browser of its own in which this person has signed in."""
    name = django_settings.SESSION_COOKIE_NAME
    signed_in = browser_of(owner).cookies[name].value
    return {name: signed_in, django_settings.CSRF_COOKIE_NAME: TOKEN}


def subscribe_at_once(world: World, car: Any, sessions: list[dict[str, str]]) -> list[str]:
    """Press the button in all these sessions by turns; return where each was sent."""

    def press(number: int) -> tuple[int, str]:
        answer = requests.post(
            f"{world.webs[number % 2]}{page(car, 'subscribe')}",
            {"lookup_key": "premium_monthly_usd"},
            headers={"X-CSRFToken": TOKEN},
            cookies=sessions[number // 2 % len(sessions)],
            timeout=120,
            allow_redirects=False,
        )
        return answer.status_code, answer.headers.get("Location", "")

    answers = at_once(press)
    assert {status for status, _ in answers} == {303}
    return [url for _, url in answers]


@pytest.mark.parametrize("tabs", [1, 2])
def test_fifty_checkouts_for_one_car_are_one_charge(world: World, tabs: int) -> None:
    owner = make_user()
    car = make_car(owner)

    urls = subscribe_at_once(world, car, [session_of(owner) for _ in range(tabs)])

    assert len(set(urls)) == 1
    sessions = world.stripe.get("checkout/sessions")["data"]
    assert [(session["url"], session["status"]) for session in sessions] == [(urls[0], "open")]
    assert len(world.stripe.get("customers")["data"]) == 1
    assert Checkout.objects.count() == 1

    at_once(lambda _: world.stripe.pay(urls[0]).status_code, 5)
    world.stripe.control("webhooks/deliver")
    tasks.sweep()

    live = world.stripe.get("subscriptions?status=all")["data"]
    assert [subscription["status"] for subscription in live] == ["active"]
    assert [invoice["amount_paid"] for invoice in world.stripe.get("invoices")["data"]] == [1000]
    assert [(charge["status"], charge["amount"]) for charge in charges(world.stripe)] == [
        ("succeeded", 1000)
    ]
    assert world.stripe.get("refunds")["data"] == []
    assert Seat.objects.get().subscription == Subscription.objects.get()
    assert Grant.objects.count() == 1


def test_fifty_equal_webhooks_have_one_effect(world: World) -> None:
    owner = make_user()
    car = make_car(owner)
    [url] = set(subscribe_at_once(world, car, [session_of(owner)]))
    world.stripe.pay(url)
    version = queries.version(car.vehicle.id)
    body, headers = signed(world.stripe, "checkout.session.completed")

    def deliver(number: int) -> int:
        to = f"{world.webs[number % 2]}/billing/webhook/"
        return requests.post(to, body, headers=headers, timeout=120).status_code

    assert set(at_once(deliver)) == {200}
    event = StripeEvent.objects.get()
    at_once(lambda _: tasks.process_event(event.pk), 8)

    event.refresh_from_db()
    assert event.state == "handled"
    assert Grant.objects.count() == 1
    assert DomainEvent.objects.filter(kind="grant_given").count() == 1
    assert queries.version(car.vehicle.id) == version + 1
    tell()
    tell()
    assert [sent.to for sent in mail.outbox] == [[owner.email]]
    assert "is active for your Model 3" in mail.outbox[0].subject


def charges(stripe: Stripe) -> list[Any]:
    """All that cards were charged, read where Stripe keeps it: its API lists them by payment."""
    db = sqlite3.connect(stripe.server.data_dir / "stripe.sqlite3", timeout=5)
    with contextlib.closing(db):
        rows = db.execute("SELECT body FROM objects WHERE kind = 'charge'").fetchall()
    return [json.loads(body) for (body,) in rows]


def signed(stripe: Stripe, kind: str) -> tuple[bytes, dict[str, str]]:
    """The one event of this kind, as Stripe would send it at this moment."""
    [event] = [found for found in stripe.get("events?limit=100")["data"] if found["type"] == kind]
    body = json.dumps(event).encode()
    at = str(int(time.time()))  # A signature keeps the wall's time.
    mark = hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    return body, {"Stripe-Signature": f"t={at},v1={mark}", "Content-Type": "application/json"}
