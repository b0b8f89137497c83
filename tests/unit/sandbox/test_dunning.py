"""What becomes of money that a card does not give when it is due."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
import stripe

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, SandboxClock, Shop, pay
from tests.unit.sandbox.passing import ASKS, DAY, FAILS, Time, other_card, types_after


@pytest.fixture
def time(sandbox: SandboxServer, sandbox_clock: SandboxClock) -> Time:
    return Time(sandbox, sandbox_clock)


@pytest.fixture
def setting(sandbox: SandboxServer) -> Callable[..., None]:
    def change(**values: str) -> None:
        url = f"{sandbox.url}/sandbox/stripe/settings"
        requests.post(url, values, timeout=10).raise_for_status()

    return change


def trial_on(shop: Shop, number: str) -> Any:
    return shop.subscribe(number, subscription_data={"trial_period_days": 3})


def due_charge(time: Time, subscription: Any) -> int:
    """Go to the hour after the trial in which its first invoice is charged."""
    charged = int(subscription.trial_end) + 3600
    time.to(charged)
    return charged


REFUSED = ["charge.failed", "payment_intent.payment_failed", "invoice.updated"]


def test_a_renewal_is_tried_again_after_three_five_and_seven_days(
    shop: Shop, client: Client, time: Time
):
    subscription = trial_on(shop, FAILS)
    charged = due_charge(time, subscription)
    invoice = client.v1.subscriptions.retrieve(
        subscription.id, {"expand": ["latest_invoice"]}
    ).latest_invoice
    assert types_after(client, charged) == [
        "invoice.finalized",
        *REFUSED,
        "invoice.payment_failed",
        "customer.subscription.updated",
    ]
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (1, charged + 3 * DAY)
    for number, after in ((2, 3), (3, 5)):
        charged = invoice.next_payment_attempt
        assert time.step() == charged
        invoice = client.v1.invoices.retrieve(invoice.id)
        assert types_after(client, charged) == [*REFUSED, "invoice.payment_failed"]
        assert invoice.attempt_count == number
        assert invoice.next_payment_attempt == charged + (after + 2) * DAY
    last = time.step()
    assert last == charged + 7 * DAY
    assert types_after(client, last) == [
        *REFUSED,
        "invoice.payment_failed",
        "customer.subscription.deleted",
    ]
    ended = client.v1.subscriptions.retrieve(subscription.id)
    assert (ended.status, ended.ended_at) == ("canceled", last)
    assert ended.cancellation_details.reason == "payment_failed"
    invoice = client.v1.invoices.retrieve(invoice.id)
    assert (invoice.status, invoice.attempt_count) == ("open", 4)
    assert (invoice.auto_advance, invoice.next_payment_attempt) == (False, None)
    assert time.state["next_due"] is None


@pytest.mark.parametrize(
    ("after", "status", "told"),
    [
        ("unpaid", "unpaid", ["customer.subscription.updated"]),
        ("past_due", "past_due", []),
        ("pause", "paused", ["customer.subscription.updated", "customer.subscription.paused"]),
    ],
)
def test_the_account_says_what_comes_after_the_last_retry(
    shop: Shop, client: Client, time: Time, setting, after, status, told
):
    setting(after_retries=after, retry_days="1")
    subscription = trial_on(shop, FAILS)
    due_charge(time, subscription)
    last = time.step()
    assert types_after(client, last) == [*REFUSED, "invoice.payment_failed", *told]
    now = client.v1.subscriptions.retrieve(subscription.id)
    assert now.status == status
    if status == "paused":
        assert now.status_details.paused.subscription.type == "final_payment_failure"
        assert time.state["next_due"] is None


def test_an_unpaid_subscription_drafts_invoices_that_nobody_collects(
    shop: Shop, client: Client, time: Time, setting
):
    setting(after_retries="unpaid", retry_days="")
    subscription = trial_on(shop, FAILS)
    due_charge(time, subscription)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "unpaid"
    time.step()
    latest = client.v1.subscriptions.retrieve(
        subscription.id, {"expand": ["latest_invoice"]}
    ).latest_invoice
    assert (latest.status, latest.auto_advance) == ("draft", False)
    card = other_card(shop)
    client.v1.invoices.pay(latest.id, {"payment_method": card})
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"


def test_a_retry_from_another_card_recovers(shop: Shop, client: Client, time: Time):
    subscription = trial_on(shop, FAILS)
    due_charge(time, subscription)
    client.v1.subscriptions.update(
        subscription.id, {"default_payment_method": other_card(shop), "metadata": {"a": "1"}}
    )
    retried = time.step()
    assert types_after(client, retried) == [
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "customer.subscription.updated",
    ]
    active = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})
    assert (active.status, active.latest_invoice.attempt_count) == ("active", 2)
    payments = client.v1.invoice_payments.list({"invoice": active.latest_invoice.id}).data
    assert [(one.status, one.amount_paid) for one in payments] == [("paid", 1000)]


def test_paying_by_hand_from_another_card(shop: Shop, client: Client, time: Time):
    subscription = trial_on(shop, FAILS)
    due_charge(time, subscription)
    invoice = client.v1.subscriptions.retrieve(subscription.id).latest_invoice
    with pytest.raises(stripe.CardError) as declined:
        client.v1.invoices.pay(invoice)
    assert (declined.value.http_status, declined.value.code) == (402, "card_declined")
    after = client.v1.invoices.retrieve(invoice)
    # What somebody tries by hand does not move the schedule.
    assert after.attempt_count == 1
    assert after.next_payment_attempt == subscription.trial_end + 3600 + 3 * DAY
    assert len(client.v1.events.list({"type": "charge.failed"}).data) == 2
    paid = client.v1.invoices.pay(invoice, {"payment_method": other_card(shop)})
    assert (paid.status, paid.amount_paid, paid.next_payment_attempt) == ("paid", 1000, None)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(invoice)


def test_a_repeated_request_gets_the_same_refusal(shop: Shop, client: Client, time: Time):
    subscription = trial_on(shop, FAILS)
    due_charge(time, subscription)
    invoice = client.v1.subscriptions.retrieve(subscription.id).latest_invoice
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.invoices.pay(invoice, {}, {"idempotency_key": "one payment"})
    assert len(client.v1.events.list({"type": "charge.failed"}).data) == 2


def test_a_card_that_asks_waits_for_its_holder(
    shop: Shop, client: Client, time: Time, sandbox: SandboxServer
):
    session = shop.checkout(subscription_data={"trial_period_days": 3})
    assert pay(session.url, ASKS).headers["Location"].endswith("/bank")
    requests.post(f"{session.url}/bank", {"answer": "confirm"}, timeout=10, allow_redirects=False)
    [subscription] = client.v1.subscriptions.list().data
    charged = due_charge(time, subscription)
    asked = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})
    assert types_after(client, charged) == [
        "invoice.finalized",
        "payment_intent.requires_action",
        "invoice.updated",
        "invoice.payment_action_required",
        "customer.subscription.updated",
    ]
    invoice = asked.latest_invoice
    assert (asked.status, invoice.status, invoice.attempt_count) == ("past_due", "open", 1)
    [payment] = client.v1.invoice_payments.list({"invoice": invoice.id}).data
    intent = client.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert (payment.status, intent.status) == ("open", "requires_action")
    assert intent.next_action.redirect_to_url.url == invoice.hosted_invoice_url
    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id)
    assert refused.value.code == "invoice_payment_intent_requires_action"


def test_an_open_invoice_of_a_cancelled_subscription_is_left_alone(
    shop: Shop, client: Client, time: Time
):
    subscription = trial_on(shop, FAILS)
    due_charge(time, subscription)
    client.v1.subscriptions.cancel(subscription.id)
    [invoice] = client.v1.invoices.list({"status": "open"}).data
    assert (invoice.auto_advance, invoice.next_payment_attempt) == (False, None)
    assert time.state["next_due"] is None
    time.to(time.state["now"] + 30 * DAY)
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 1
    began = time.state["now"]
    voided = client.v1.invoices.void_invoice(invoice.id)
    assert voided.status == "void"
    assert began <= voided.status_transitions.voided_at <= time.state["now"]
    with pytest.raises(stripe.InvalidRequestError, match="no longer be paid"):
        client.v1.invoices.pay(invoice.id)


def test_an_invoice_that_is_given_up_lets_the_subscription_go_on(
    shop: Shop, client: Client, time: Time
):
    subscription = trial_on(shop, FAILS)
    due_charge(time, subscription)
    invoice = client.v1.subscriptions.retrieve(subscription.id).latest_invoice
    given_up = client.v1.invoices.mark_uncollectible(invoice)
    assert given_up.status == "uncollectible"
    assert given_up.status_details.uncollectible.reason == "user_forgiven"
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
