"""Coupons, promotion codes and automatic tax: what is due changes before it is paid."""

from typing import Any

import pytest
import requests
import stripe

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, SandboxClock, Shop, pay
from tests.unit.sandbox.test_webhooks import control


def code_for(client: Client, code: str = "SAVE", more: dict[str, Any] | None = None, **coupon: Any):
    """A promotion code for a new coupon."""
    made = client.v1.coupons.create({"duration": "once", **coupon})
    params = {"promotion": {"type": "coupon", "coupon": made.id}, "code": code, **(more or {})}
    return client.v1.promotion_codes.create(params)


def enter(session: Any, code: str) -> requests.Response:
    return requests.post(f"{session.url}/code", data={"code": code}, timeout=10)


def first_invoice(client: Client, subscription: Any) -> Any:
    return client.v1.invoices.retrieve(subscription.latest_invoice, {"expand": ["discounts"]})


def subscribed(client: Client, session: Any) -> Any:
    assert pay(session.url).status_code == 303
    return client.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["subscription"]}
    ).subscription


def test_a_code_changes_what_is_due_and_what_is_charged(shop: Shop, client: Client):
    code = code_for(client, percent_off=25)
    session = shop.checkout(allow_promotion_codes=True)
    page = enter(session, "save")
    assert "$7.50" in page.text
    shown = client.v1.checkout.sessions.retrieve(session.id)
    assert (shown.amount_subtotal, shown.amount_total) == (1000, 750)
    assert shown.total_details.amount_discount == 250
    assert shown.discounts[0].promotion_code == code.id
    subscription = subscribed(client, session)
    invoice = first_invoice(client, subscription)
    assert (invoice.subtotal, invoice.total, invoice.amount_paid) == (1000, 750, 750)
    [discount] = invoice.discounts
    assert discount.source.coupon == code.promotion.coupon
    assert (discount.promotion_code, discount.checkout_session) == (code.id, session.id)
    [taken] = invoice.total_discount_amounts
    assert (taken.amount, taken.discount) == (250, discount.id)
    [line] = invoice.lines.data
    assert [each.amount for each in line.discount_amounts] == [250]
    assert client.v1.promotion_codes.list({"code": "SAVE"}).data[0].times_redeemed == 1
    assert client.v1.coupons.retrieve(code.promotion.coupon).times_redeemed == 1


def test_a_code_is_taken_off_again(shop: Shop, client: Client):
    code_for(client, amount_off=300, currency="usd")
    session = shop.checkout(allow_promotion_codes=True)
    assert "$7.00" in enter(session, "SAVE").text
    assert "$7.00" not in enter(session, "").text
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 1000


def test_a_code_that_does_not_work_says_why(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    now = shop.customer.created
    stranger = client.v1.customers.create({"email": "else@demo.test"})
    for name, more, coupon in (
        ("LATE", {"expires_at": now + 60}, {}),
        ("THEIRS", {"customer": stranger.id}, {}),
        ("EURO", {}, {"percent_off": None, "amount_off": 100, "currency": "eur"}),
        ("MORE", {"restrictions": {"minimum_amount": 5000, "minimum_amount_currency": "usd"}}, {}),
        ("DEAD", {}, {}),
    ):
        params = {"percent_off": 10, **coupon}
        given = {key: value for key, value in params.items() if value is not None}
        code = code_for(client, name, more, **given)
    client.v1.promotion_codes.update(code.id, {"active": False})
    session = shop.checkout(allow_promotion_codes=True)
    sandbox_clock.advance(minutes=2)
    for typed, words in (
        ("NONE", "This code is invalid."),
        ("LATE", "This code has expired."),
        ("THEIRS", "This code is invalid."),
        ("EURO", "This code is for another currency."),
        ("MORE", "This code needs a larger purchase."),
        ("DEAD", "This code is invalid."),
    ):
        page = enter(session, typed)
        assert words in page.text, typed
        assert f'value="{typed}"' in page.text
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 1000
    assert not client.v1.promotion_codes.list({"code": "late"}).data[0].active


def test_a_code_that_dies_while_the_buyer_types_is_not_charged_in_silence(
    shop: Shop, client: Client
):
    code_for(client, percent_off=50, more={"max_redemptions": 1})
    first, second = (shop.checkout(allow_promotion_codes=True) for _ in range(2))
    for session in (first, second):
        enter(session, "SAVE")
    subscribed(client, first)
    answer = pay(second.url)
    assert answer.status_code == 200
    assert "This code has been used up." in answer.text
    assert "$10.00" in answer.text
    assert client.v1.checkout.sessions.retrieve(second.id).status == "open"
    assert first_invoice(client, subscribed(client, second)).total == 1000


def test_a_session_without_codes_takes_none(shop: Shop, client: Client):
    code_for(client, percent_off=50)
    session = shop.checkout()
    assert "Promotion code" not in requests.get(session.url, timeout=10).text
    enter(session, "SAVE")
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 1000


def test_a_whole_discount_charges_nothing(shop: Shop, client: Client):
    coupon = client.v1.coupons.create({"percent_off": 100, "duration": "once"})
    session = shop.checkout(discounts=[{"coupon": coupon.id}])
    assert session.amount_total == 0
    subscription = subscribed(client, session)
    assert subscription.status == "active"
    invoice = first_invoice(client, subscription)
    assert (invoice.status, invoice.total, invoice.amount_paid) == ("paid", 0, 0)
    assert client.v1.events.list({"type": "charge.succeeded"}).data == []
    assert client.v1.invoice_payments.list({"invoice": invoice.id}).data == []


@pytest.mark.parametrize(
    ("coupon", "totals"),
    [
        ({"duration": "once"}, [800, 1000, 1000]),
        ({"duration": "repeating", "duration_in_months": 2}, [800, 800, 1000]),
        ({"duration": "forever"}, [800, 800, 800]),
    ],
)
def test_how_long_a_coupon_lasts(
    shop: Shop, client: Client, sandbox_clock: SandboxClock, coupon: dict, totals: list[int]
):
    made = client.v1.coupons.create({"percent_off": 20, **coupon})
    subscription = subscribed(client, shop.checkout(discounts=[{"coupon": made.id}]))
    found = [first_invoice(client, subscription).total]
    for _ in range(2):
        sandbox_clock.advance(days=31, hours=2)
        subscription = client.v1.subscriptions.retrieve(subscription.id)
        found.append(first_invoice(client, subscription).total)
    assert found == totals
    assert len(subscription.discounts) == (coupon["duration"] == "forever")


def test_a_coupon_is_refused_in_stripes_words(shop: Shop, client: Client, sandbox_clock):
    for params, words in (
        ({}, "either percent_off or amount_off"),
        ({"amount_off": 5}, "You must pass currency"),
        ({"percent_off": 120}, "Invalid decimal"),
        ({"percent_off": 5, "duration": "repeating"}, "duration_in_months"),
    ):
        with pytest.raises(stripe.InvalidRequestError, match=words):
            client.v1.coupons.create(params)
    coupon = client.v1.coupons.create(
        {"percent_off": 5, "redeem_by": shop.customer.created + 60, "id": "soon"}
    )
    sandbox_clock.advance(minutes=2)
    assert not client.v1.coupons.retrieve("soon").valid
    with pytest.raises(stripe.InvalidRequestError, match="is expired"):
        shop.checkout(discounts=[{"coupon": coupon.id}])
    code_for(client, percent_off=5)
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        code_for(client, "save", percent_off=5)


def test_tax_is_added_at_the_rate_that_is_set(
    shop: Shop, client: Client, sandbox: SandboxServer, sandbox_clock: SandboxClock
):
    control(sandbox, "settings", tax_percent="8.25")
    coupon = client.v1.coupons.create({"percent_off": 10, "duration": "once"})
    session = shop.checkout(automatic_tax={"enabled": True}, discounts=[{"coupon": coupon.id}])
    # 900 at 8.25 % is 74.25.
    assert (session.total_details.amount_tax, session.amount_total) == (74, 974)
    assert "$0.74" in requests.get(session.url, timeout=10).text
    subscription = subscribed(client, session)
    assert subscription.automatic_tax.enabled
    invoice = first_invoice(client, subscription)
    assert (invoice.total_excluding_tax, invoice.total, invoice.amount_paid) == (900, 974, 974)
    [tax] = invoice.total_taxes
    assert (tax.amount, tax.taxable_amount, tax.tax_behavior) == (74, 900, "exclusive")
    [line_tax] = invoice.lines.data[0].taxes
    assert line_tax.amount == 74
    sandbox_clock.advance(days=31, hours=2)
    renewed = client.v1.subscriptions.retrieve(subscription.id)
    assert first_invoice(client, renewed).total == 1083


def test_without_automatic_tax_there_is_none(shop: Shop, client: Client, sandbox: SandboxServer):
    control(sandbox, "settings", tax_percent="19")
    subscription = shop.subscribe()
    invoice = first_invoice(client, subscription)
    assert (invoice.total, invoice.total_taxes, invoice.automatic_tax.enabled) == (1000, [], False)
