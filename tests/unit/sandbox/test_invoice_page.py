"""The hosted invoice: paid by a card that was typed in, refused, confirmed; and its PDF."""

import re
from typing import Any

import requests

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, SandboxClock, Shop, pay
from tests.unit.sandbox.test_disputes import charge_of
from tests.unit.sandbox.test_portal import ASKS, past_due
from tests.unit.sandbox.test_webhooks import control


def open_invoice(shop: Shop, client: Client, sandbox_clock: SandboxClock) -> Any:
    subscription = past_due(shop, client, sandbox_clock)
    return client.v1.invoices.retrieve(subscription.latest_invoice)


def test_an_open_invoice_is_paid_by_another_card(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    invoice = open_invoice(shop, client, sandbox_clock)
    assert "Pay invoice" in requests.get(invoice.hosted_invoice_url, timeout=10).text
    refused = pay(invoice.hosted_invoice_url, "4000 0000 0000 9995")
    assert "insufficient funds" in refused.text
    assert client.v1.invoices.retrieve(invoice.id).status == "open"
    assert pay(invoice.hosted_invoice_url).status_code == 303
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    subscription = invoice.parent.subscription_details.subscription
    assert client.v1.subscriptions.retrieve(subscription).status == "active"
    assert "Pay invoice" not in requests.get(invoice.hosted_invoice_url, timeout=10).text
    paid_twice = pay(invoice.hosted_invoice_url)
    assert paid_twice.status_code == 200
    [payment] = client.v1.invoice_payments.list({"invoice": invoice.id, "status": "paid"}).data
    assert payment.amount_paid == 1000


def test_the_bank_asks_and_is_answered(shop: Shop, client: Client, sandbox_clock: SandboxClock):
    invoice = open_invoice(shop, client, sandbox_clock)
    bank = f"{invoice.hosted_invoice_url}/bank"
    for answer, status in (("refuse", "open"), ("confirm", "paid")):
        assert pay(invoice.hosted_invoice_url, ASKS).headers["Location"].endswith("/bank")
        assert "$10.00" in requests.get(bank, timeout=10).text
        page = requests.post(bank, data={"answer": answer}, timeout=10)
        assert ("unable to authenticate" in page.text) == (answer == "refuse")
        assert client.v1.invoices.retrieve(invoice.id).status == status


def test_the_page_and_the_pdf_tell_of_every_sum(shop: Shop, client: Client, sandbox: SandboxServer):
    control(sandbox, "settings", tax_percent="10")
    coupon = client.v1.coupons.create({"percent_off": 20, "duration": "once"})
    session = shop.checkout(
        automatic_tax={"enabled": True}, discounts=[{"coupon": coupon.id}], locale="en"
    )
    pay(session.url)
    subscription = client.v1.subscriptions.list({"customer": shop.customer.id}).data[0]
    client.v1.refunds.create({"charge": charge_of(client, subscription).id, "amount": 330})
    invoice = client.v1.invoices.retrieve(subscription.latest_invoice)
    page = requests.get(invoice.hosted_invoice_url, timeout=10).text
    file = requests.get(invoice.invoice_pdf, timeout=10)
    assert file.headers["Content-Type"] == "application/pdf"
    drawn = [text.decode("cp1252") for text in re.findall(rb"\((.*)\) Tj", file.content)]
    for amount in ("$10.00", "$2.00", "$0.80", "$8.80", "$3.30"):
        assert amount in page
        assert any(amount in text for text in drawn), amount
    assert any(invoice.number in text for text in drawn)
    assert any("Premium Connectivity" in text for text in drawn)
    check_pdf(file.content)
    german = requests.get(
        invoice.invoice_pdf, headers={"Accept-Language": "de"}, timeout=10
    ).content
    assert "8,80\u00a0€".encode("cp1252") not in german
    assert "8,80".encode("cp1252") in german


def check_pdf(content: bytes) -> None:
    """The file's own table leads to its objects, and its one stream is as long as it says."""
    assert content.startswith(b"%PDF-1.4")
    assert content.endswith(b"%%EOF\n")
    start = int(content.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    assert content[start:].startswith(b"xref\n0 6\n")
    places = [int(line[:10]) for line in content[start:].split(b"\n")[3:8]]
    for number, place in enumerate(places, start=1):
        assert content[place:].startswith(b"%d 0 obj" % number)
    [length] = map(int, re.findall(rb"/Length (\d+)", content))
    stream = content.split(b"stream\n", 1)[1]
    assert stream[length:].startswith(b"\nendstream")
