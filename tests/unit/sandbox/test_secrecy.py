"""A card number goes in at a page and comes out nowhere: no file, log, record or page has it."""

import re
from typing import Any

import pytest
import requests

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, Receiver, SandboxClock, Shop, pay, until
from tests.unit.sandbox.test_portal import past_due, type_card, visit

LISTED = re.compile(rb"<li><span>[\d ]+</span>")  # a test card that a page names to whoever pays
PAYS = "5555 5555 5555 4444"
FAILS_LATER = "4000000000000341"
ASKS = "4000-0027-6000-3184"
EXPIRED = "4000000000000069"
MISTYPED = "5555 5555 5555 4445"
UNKNOWN = "4111 1111 1111 1111"
NUMBERS = (PAYS, FAILS_LATER, ASKS, EXPIRED, MISTYPED, UNKNOWN)


def digits(content: bytes) -> bytes:
    """Without what people write between the digits of a card."""
    return re.sub(rb"[\s\-\xa0]|%20|\+|\\u00a0|&nbsp;", b"", content)


def use_every_card(shop: Shop, client: Client, sandbox_clock: SandboxClock) -> list[bytes]:
    """What all pages answered to all cards."""
    answers: list[requests.Response] = []
    subscription = past_due(shop, client, sandbox_clock)
    invoice = client.v1.invoices.retrieve(subscription.latest_invoice)
    for number in NUMBERS:
        session = shop.checkout()
        answers.append(pay(session.url, number))
        answers.append(pay(session.url, number, cardCvc="9"))
        answers.append(pay(session.url, number, email=number))
        answers.append(type_card(visit(client, shop), number))
    numbers = (EXPIRED, MISTYPED, UNKNOWN, ASKS, PAYS)
    answers += [pay(invoice.hosted_invoice_url, number) for number in numbers]
    return [LISTED.sub(b"", answer.content) + str(answer.headers).encode() for answer in answers]


def test_no_card_number_is_kept_anywhere(
    shop: Shop,
    client: Client,
    sandbox: SandboxServer,
    sandbox_clock: SandboxClock,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
):
    caplog.set_level("DEBUG")
    found: dict[str, Any] = {"pages": b"".join(use_every_card(shop, client, sandbox_clock))}
    until(lambda: not client.v1.events.list({"delivery_success": False}).data)
    kept = [*sandbox.data_dir.rglob("*"), *sandbox.data_dir.with_name("records").iterdir()]
    found |= {path.name: path.read_bytes() for path in kept if path.is_file()}
    assert {"stripe.sqlite3", "stripe.sqlite3-wal", "sandbox.jsonl"} <= set(found)
    out, err = capfd.readouterr()
    found |= {"log": caplog.text.encode(), "output": (out + err).encode()}
    found["events"] = b"".join(body for body, _ in receiver.heard)
    for number in NUMBERS:
        bare = digits(number.encode())
        assert [where for where, content in found.items() if bare in digits(content)] == []
    # The search finds what is there: the four digits that may be shown.
    assert b'"last4":"4444"' in digits(found["stripe.sqlite3-wal"] + found["stripe.sqlite3"])
