"""The world of the journeys with Stripe's own test mode behind it, over HTTP.

It decides how the same acts are done there: customers live by test clocks, time moves by advancing
them, events are fetched and handed to our webhook. It must never know what ought to follow.

# Note [What we can bring about ourselves]
Webhooks come late, twice, in any order or never because we deliver them. What only the sandbox can
be told to do (faults, settings, disputes decided at once) skips the journey that needs it.
"""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Never
from unittest import mock
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests
import stripe
import time_machine
from django.conf import settings
from django.test import override_settings
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse
from werkzeug.wrappers import Request

from billing import offers, queries
from billing.gateway import client
from billing.models import Invoice, Subscription
from sandbox.stripe.webhooks import Attempt
from tests.journeys import hosted
from tests.journeys.wires import post_webhook
from tests.journeys.world import Webhooks, World

KEY = "JOURNEYS_STRIPE_KEY"  # Names Stripe's own test mode to run the journeys against.
STRIPE = "https://api.stripe.com"
CUSTOMERS_PER_CLOCK = 3
DRAFT = timedelta(hours=1)  # So long after a period's turn Stripe charges it.


class LiveKey(ValueError):
    """A key that moves real money."""


@dataclass(frozen=True)
class Account:
    """A Stripe account in test mode, and how long it needs to tell what has happened.

    `quiet` is how often in a row it has to have nothing new, `pause` seconds apart.
    """

    key: str
    base: str = STRIPE
    quiet: int = 3
    pause: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what is not for tests."""
        if not self.key.startswith("sk_test_"):
            raise LiveKey(
                f"{KEY} must be a key of Stripe's test mode (sk_test_…): the journeys pay, refund "
                "and cancel."
            )

    def send(self, method: str, path: str, form: Any = None) -> requests.Response:
        """Call the API as Stripe's dashboard does."""
        return requests.request(
            method,
            f"{self.base}{path}",
            data=form,
            headers={"Stripe-Version": client.API_VERSION},
            auth=(self.key, ""),
            timeout=30,
        )

    def call(self, method: str, path: str, form: Mapping[str, Any] | None = None) -> Any:
        """The same, for what has to succeed."""
        answer = self.send(method, path, form)
        assert answer.status_code == 200, f"{method} {path}: {answer.text}"
        return answer.json()


class Clocks:
    """Test clocks, each with as many customers as Stripe lets live by one."""

    def __init__(self, account: Account, began: datetime) -> None:
        self._account = account
        self._at = began
        self._ids: list[str] = []
        self._of: dict[str, str] = {}

    def clock_for(self, request: str) -> str:
        """The clock for the customer that a request makes; a repeated request has the same."""
        if request not in self._of:
            if len(self._of) % CUSTOMERS_PER_CLOCK == 0:
                form = {"frozen_time": int(self._at.timestamp()), "name": "journey"}
                made = self._account.call("POST", "/v1/test_helpers/test_clocks", form)
                self._ids.append(made["id"])
            self._of[request] = self._ids[-1]
        return self._of[request]

    def go_to(self, instant: datetime) -> None:
        """Advance all of them, and wait until Stripe has done what was due."""
        if instant <= self._at:
            return
        self._at = instant
        for which in self._ids:
            where = f"/v1/test_helpers/test_clocks/{which}"
            form = {"frozen_time": int(instant.timestamp())}
            self._account.call("POST", f"{where}/advance", form)
            while (now := self._account.call("GET", where))["status"] == "advancing":
                time.sleep(self._account.pause)
            assert now["status"] == "ready", f"The test clock {which} is {now['status']}."

    def delete(self) -> None:
        """Delete them, and with them all customers of the journey."""
        for which in self._ids:
            self._account.call("DELETE", f"/v1/test_helpers/test_clocks/{which}")


class OnClock(stripe.RequestsClient):
    """The SDK's HTTP, with each new customer put on a test clock."""

    def __init__(self, clocks: Clocks) -> None:
        super().__init__(timeout=(5, 30))
        self._clocks = clocks

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        **further: Any,
    ) -> Any:
        """Make the call."""
        if method.upper() == "POST" and urlsplit(url).path == "/v1/customers":
            clock = self._clocks.clock_for((headers or {}).get("Idempotency-Key", ""))
            post_data = urlencode([*parse_qsl(post_data or ""), ("test_clock", clock)])
        return super().request(method, url, headers, post_data, **further)


class Events:
    """What Stripe tells from now on: fetched from its list of events, delivered by us.

    See Note [What we can bring about ourselves].
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._before = {event["id"] for event in self._listed()}
        self._waiting: list[str] = []
        self.told: dict[str, dict[str, Any]] = {}

    def fetch(self) -> None:
        """Take in what is new, until Stripe has nothing new for a while."""
        quiet = 0
        while quiet < self._account.quiet:
            fresh = [event for event in self._listed() if self._is_new(event["id"])]
            for event in reversed(fresh):
                self.told[event["id"]] = event
                self._waiting.append(event["id"])
            quiet = 0 if fresh else quiet + 1
            if quiet < self._account.quiet:
                time.sleep(self._account.pause)

    def waiting(self) -> list[dict[str, Any]]:
        """What has not been delivered, in Stripe's order."""
        return [{"delivery": each, **self.told[each]} for each in self._waiting]

    def deliver(self, delivery: str, *, again: bool) -> Attempt | None:
        """Hand an event to our own webhook, signed as Stripe signs."""
        if delivery not in self._waiting and not again:
            return None
        body, event = json.dumps(self.told[delivery]), self.told[delivery]
        secret = settings.STRIPE_WEBHOOK_SECRETS[0]
        signed = stripe.WebhookSignature.generate_signature_header(body, secret)
        attempt = Attempt(
            event["id"], event["type"], post_webhook("/billing/webhook/", body, signed)
        )
        if attempt.taken:
            self.drop([delivery])
        return attempt

    def drop(self, deliveries: Iterable[str]) -> int:
        """These wait no longer."""
        dropped = set(deliveries) & set(self._waiting)
        self._waiting = [each for each in self._waiting if each not in dropped]
        return len(dropped)

    def _is_new(self, event_id: str) -> bool:
        return event_id not in self._before and event_id not in self.told

    def _listed(self) -> Iterator[dict[str, Any]]:
        after = ""
        while True:
            page = self._account.call("GET", f"/v1/events?limit=100{after}")
            yield from page["data"]
            if not page["has_more"]:
                return
            after = f"&starting_after={page['data'][-1]['id']}"


class Dashboard:
    """Stands where a sandbox's application stands: takes the dashboard's calls to the API."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def test_client(self, **_: Any) -> "Dashboard":
        """Itself: there are no cookies to keep."""
        return self

    def post(self, path: str, **given: Any) -> TestResponse:
        """Send a form."""
        return self.open(path, method="POST", **given)

    def open(self, path: str, *, method: str, data: Any = None, **_: Any) -> TestResponse:
        """Call the API; what is no part of it only a sandbox can do."""
        if not path.startswith("/v1/"):
            _only_in_a_sandbox(path)
        answer = self._account.send(method, path, data)
        return _answer(answer.status_code, answer.text, answer.headers)


class RemoteWorld(World):
    """The product in this process, and a Stripe that is elsewhere."""

    can_come_back = False

    def __init__(self, account: Account, clocks: Clocks, traveller: time_machine.Traveller) -> None:
        self.app = Dashboard(account)  # type: ignore[assignment] # it takes the same calls
        self._events = Events(account)
        self.webhooks = Webhooks(self._events)
        self._account, self._clocks, self._traveller = account, clocks, traveller

    @property
    def sandbox(self) -> Never:  # type: ignore[override] # there is none
        """There is none: who reaches into it cannot be run here."""
        _only_in_a_sandbox("its insides")

    def catch_up(self) -> None:
        """Let Stripe do what is due by now, and hear of it."""
        self._clocks.go_to(self.now)
        self._events.fetch()

    def next_at_stripe(self) -> datetime | None:
        """When Stripe will next do something by itself, as far as we have been told."""
        return min((each for each in _told_instants() if each > self.now), default=None)

    def made(self, kind: str, after: int) -> tuple[list[dict[str, Any]], int]:
        """The charges or refunds of which events tell, later than the last time."""
        types = {"charge": ("charge.succeeded", "charge.failed"), "refund": ("refund.created",)}
        told = list(self._events.told.values())
        found = [each["data"]["object"] for each in told[after:] if each["type"] in types[kind]]
        return found, len(told)

    def visit(self, url: str, form: dict[str, str] | None = None) -> TestResponse:
        """Open a page that Stripe hosts, or fill in its form."""
        if self._account.base == STRIPE:
            return _answer(*hosted.visit(url, form))
        method = "GET" if form is None else "POST"
        answer = requests.request(method, url, data=form, allow_redirects=False, timeout=30)
        return _answer(answer.status_code, answer.text, answer.headers)


def _told_instants() -> Iterator[datetime]:
    """The turns of periods, the charges an hour on, ends, and the retries that Stripe announced."""
    for row in Subscription.objects.exclude(status__in=Subscription.ENDED):
        for turn in filter(None, (row.period_ends_at, row.trial_ends_at, row.ends_at)):
            yield turn
            yield turn + DRAFT
    for invoice in Invoice.objects.exclude(next_attempt_at=None):
        if invoice.next_attempt_at:
            yield invoice.next_attempt_at


def _answer(status: int, text: str, headers: Mapping[str, str]) -> TestResponse:
    """An answer as the pages of a sandbox in this process give it."""
    kept = [(name, headers[name]) for name in ("Location", "Content-Type") if name in headers]
    return TestResponse([text.encode()], str(status), Headers(kept), Request({}))


def _only_in_a_sandbox(what: str) -> Never:
    pytest.skip(f"Only the sandbox can be told to do this; Stripe has no {what}.")


@contextlib.contextmanager
def opened(account: Account, *, at: datetime, clock_file: Path) -> Iterator[RemoteWorld]:
    """A world that begins at an instant, with customers of its own at this account."""
    clocks = Clocks(account, at)
    reached = stripe.StripeClient(
        account.key,
        max_network_retries=client.RETRIES,
        http_client=OnClock(clocks),
        base_addresses={"api": account.base},
    )
    with (
        time_machine.travel(at, tick=False) as traveller,
        override_settings(CLOCK_FILE=str(clock_file)),
        mock.patch.object(client, "_client_for", return_value=reached),
    ):
        offers.sync(queries.catalog())
        world = RemoteWorld(account, clocks, traveller)
        try:
            yield world
        finally:
            clocks.delete()
