"""What tests of several parts together share: a Stripe that calls back, and somebody who pays."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import shop
from tests.sandbox_server import SandboxServer, running_sandbox
from tests.servers import RECORDS

GOOD_CARD = "4242424242424242"


class Stripe:
    """The sandbox as this test's Stripe, and a payer's hands on its pages."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server

    def pay(self, url: str, card: str = GOOD_CARD) -> requests.Response:
        """Fill in the card form and send it; the answer is where Stripe sends the payer."""
        form = {
            "cardNumber": card,
            "cardExpiry": "12 / 49",
            "cardCvc": "123",
            "billingName": "Card Holder",
        }
        return requests.post(url, form, timeout=10, allow_redirects=False)

    def control(self, what: str, **how: Any) -> Any:
        """Use one of the sandbox's controls: hold, resume, drop or deliver webhooks; faults."""
        answer = requests.post(f"{self.server.url}/sandbox/stripe/{what}", how, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def heal(self) -> None:
        """Let every call succeed again."""
        requests.delete(f"{self.server.url}/sandbox/stripe/faults", timeout=10)

    def get(self, path: str) -> Any:
        """Ask the API as Stripe's dashboard would."""
        answer = requests.get(
            f"{self.server.url}/v1/{path}", auth=("sk_test_sandbox", ""), timeout=10
        )
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, **form: Any) -> Any:
        """Change something at Stripe behind the product's back, as its dashboard or portal can."""
        answer = requests.post(
            f"{self.server.url}/v1/{path}", form, auth=("sk_test_sandbox", ""), timeout=10
        )
        answer.raise_for_status()
        return answer.json()

    def delete(self, path: str) -> Any:
        """Delete something at Stripe behind the product's back."""
        answer = requests.delete(
            f"{self.server.url}/v1/{path}", auth=("sk_test_sandbox", ""), timeout=10
        )
        answer.raise_for_status()
        return answer.json()


@pytest.fixture
def stripe(live_server, settings, tmp_path: Path) -> Iterator[Stripe]:
    """A sandbox of this test's own that sends its webhooks to this test's own web server."""
    settings.CLOCK_FILE = str(tmp_path / "clock")
    record = Path(os.environ[RECORDS]) / f"{uuid.uuid4()}.jsonl"
    with running_sandbox(
        tmp_path / "sandbox",
        clock_file=tmp_path / "clock",
        webhook_url=f"{live_server.url}/billing/webhook/",
        webhook_secret="whsec_test",
        record=record,
    ) as server:
        settings.STRIPE_API_BASE = server.url
        shop.opens(server.running.app.extensions["world"].store, "now")
        yield Stripe(server)


def eventually(wanted: Callable[[], Any], patience: float = 10.0) -> Any:
    """Return what `wanted` returns once it is true; fail after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not (found := wanted()):
        if time.monotonic() > deadline:
            pytest.fail(f"still not so after {patience} s: {wanted.__name__}")
        time.sleep(0.02)
    return found
