"""A running sandbox, a Stripe client that talks to it, a shop that sells and a buyer who pays."""

import contextlib
import dataclasses
import http.server
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import stripe

from tests.contract import recorded
from tests.sandbox_server import SandboxServer, running_sandbox

# stripe-python's types leave open whether a field holds an id or, expanded, the object: no test
# could say `session.subscription.status` without a cast. The contract checks the shapes instead.
Client = Any

SECRET = "whsec_a_secret_of_this_test"
PAYS = "4242 4242 4242 4242"


def until(met: Callable[[], Any], *, seconds: float = 10) -> Any:
    """What `met` returns, as soon as it is true; fails the test after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := met()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


class Receiver:
    """A real HTTP server that hears webhooks, and can refuse them."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.heard.append((body, self.headers["Stripe-Signature"]))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/billing/webhook/"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body, _ in self.heard]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Hears what the sandbox sends."""
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@dataclasses.dataclass(frozen=True)
class SandboxClock:
    """Moves the sandbox's time, forward only."""

    path: Path

    def advance(self, **by: int) -> None:
        """By so many days, hours, minutes and seconds."""
        units = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
        moved = int(self.path.read_text()) if self.path.exists() else 0
        fresh = self.path.with_suffix(".new")
        fresh.write_text(str(moved + sum(units[unit] * count for unit, count in by.items())))
        fresh.replace(self.path)


@pytest.fixture
def sandbox_clock(tmp_path: Path) -> SandboxClock:
    return SandboxClock(tmp_path / "clock")


def _keep_for_the_suite(records: Path) -> None:
    """Let the suite's last check see these exchanges too."""
    if "TEST_RECORDS" in os.environ:
        for path in records.iterdir():
            shutil.copy(path, Path(os.environ["TEST_RECORDS"]) / f"sandbox-{uuid.uuid4()}.jsonl")


@pytest.fixture
def sandbox(
    tmp_path: Path, sandbox_clock: SandboxClock, receiver: Receiver
) -> Iterator[SandboxServer]:
    """A sandbox whose every exchange and event must keep to Stripe's contract."""
    records = tmp_path / "records"
    records.mkdir()
    with running_sandbox(
        tmp_path / "sandbox",
        clock_file=sandbox_clock.path,
        webhook_url=receiver.url,
        webhook_secret=SECRET,
        record=records / "sandbox.jsonl",
    ) as server:
        yield server
    assert recorded.check(records).findings == []
    _keep_for_the_suite(records)


@pytest.fixture
def unrecorded(tmp_path: Path, sandbox_clock: SandboxClock) -> Iterator[SandboxServer]:
    """A sandbox for requests that Stripe would refuse."""
    with running_sandbox(tmp_path / "unrecorded", clock_file=sandbox_clock.path) as server:
        yield server


@contextlib.contextmanager
def client_of(server: SandboxServer) -> Iterator[Client]:
    """stripe-python, as the product uses it, with its connections closed afterwards."""
    session = requests.Session()
    http_client = stripe.RequestsClient(timeout=10, session=session)
    yield stripe.StripeClient(
        "sk_test_sandbox", base_addresses={"api": server.url}, http_client=http_client
    )
    session.close()


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[Client]:
    with client_of(sandbox) as made:
        yield made


@dataclasses.dataclass
class Shop:
    """Sells one product by the month, and has one customer."""

    client: Client

    def __post_init__(self) -> None:
        self.product = self.client.v1.products.create({"name": "Premium Connectivity"})
        self.monthly = self.price("month", 1000)
        self.customer = self.client.v1.customers.create({"email": "owner@demo.test"})

    def price(self, interval: str, amount: int, currency: str = "usd") -> Any:
        return self.client.v1.prices.create(
            {
                "product": self.product.id,
                "currency": currency,
                "unit_amount": amount,
                "recurring": {"interval": interval},
            }
        )

    def checkout(self, **more: Any) -> Any:
        params: dict[str, Any] = {
            "mode": "subscription",
            "line_items": [{"price": self.monthly.id, "quantity": 1}],
            "customer": self.customer.id,
            "success_url": "http://localhost:8000/back/?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "http://localhost:8000/cancelled/",
            **more,
        }
        return self.client.v1.checkout.sessions.create(
            {name: value for name, value in params.items() if value is not None}
        )

    def subscribe(self, number: str = PAYS, **more: Any) -> Any:
        """A subscription that was paid for on the page."""
        session = self.checkout(**more)
        assert pay(session.url, number).status_code == 303
        return self.client.v1.checkout.sessions.retrieve(
            session.id, {"expand": ["subscription"]}
        ).subscription


@pytest.fixture
def shop(client: stripe.StripeClient) -> Shop:
    return Shop(client)


def pay(url: str, number: str = PAYS, **typed: str) -> requests.Response:
    """Post the card form as a browser does; the redirect to the shop is not followed."""
    form = {
        "cardNumber": number,
        "cardExpiry": "12 / 34",
        "cardCvc": "123",
        "billingName": "Ada Owner",
        **typed,
    }
    return requests.post(url, data=form, allow_redirects=False, timeout=10)
