"""Subscriptions that pause and go on, and those that the API begins."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.effects.proration import share
from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, SandboxClock, Shop
from tests.unit.sandbox.passing import DAY, FAILS, Time, other_card, types_after

HOUR = 3600


@pytest.fixture
def time(sandbox: SandboxServer, sandbox_clock: SandboxClock) -> Time:
    return Time(sandbox, sandbox_clock)


def types(client: Client, count: int) -> list[str]:
    events = client.v1.events.list({"limit": count}).data
    return [event.type for event in reversed(events)]


def period(subscription: Any) -> tuple[int, int]:
    item = subscription["items"].data[0]
    return item.current_period_start, item.current_period_end


def test_a_paused_subscription_is_not_renewed(shop: Shop, client: Client, time: Time):
    subscription = shop.subscribe()
    paused = client.v1.subscriptions.pause(
        subscription.id,
        {"type": "subscription", "bill_for": {"unused_time_from": {"type": "none"}}},
    )
    assert paused.status == "paused"
    assert paused.status_details.paused.subscription.type == "pause_requested"
    assert types(client, 2) == ["customer.subscription.updated", "customer.subscription.paused"]
    assert time.state["next_due"] is None
    time.to(time.state["now"] + 100 * DAY)
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 1
    with pytest.raises(stripe.InvalidRequestError, match="can be paused"):
        client.v1.subscriptions.pause(subscription.id)


def test_a_pause_gives_the_unused_time_back(shop: Shop, client: Client, time: Time):
    subscription = shop.subscribe()
    client.v1.subscriptions.pause(subscription.id, {"invoicing_behavior": "invoice"})
    [credit] = client.v1.invoice_items.list().data
    start, end = period(subscription)
    assert credit.amount == -share(1000, start=start, end=end, since=credit.period.start)
    assert client.v1.customers.retrieve(shop.customer.id).balance == credit.amount


def test_it_goes_on_anew_once_the_invoice_is_paid(shop: Shop, client: Client, time: Time):
    subscription = shop.subscribe()
    client.v1.subscriptions.pause(
        subscription.id, {"bill_for": {"unused_time_from": {"type": "none"}}}
    )
    time.to(time.state["now"] + 10 * DAY)
    waiting = client.v1.subscriptions.resume(subscription.id)
    assert waiting.status == "paused"
    invoice = client.v1.invoices.retrieve(waiting.latest_invoice)
    assert (invoice.status, invoice.attempt_count, invoice.amount_due) == ("open", 0, 1000)
    client.v1.invoices.pay(invoice.id)
    active = client.v1.subscriptions.retrieve(subscription.id)
    assert active.status == "active"
    assert "status_details" not in active
    assert period(active) == (invoice.created, invoice.lines.data[0].period.end)
    assert types(client, 2) == ["customer.subscription.updated", "customer.subscription.resumed"]
    assert time.state["next_due"] == period(active)[1]


def test_a_resumption_that_is_paid_at_once(shop: Shop, client: Client):
    subscription = shop.subscribe()
    client.v1.subscriptions.pause(subscription.id)
    active = client.v1.subscriptions.resume(
        subscription.id, {"payment_behavior": "resume_on_payment_success"}
    )
    assert active.status == "active"


@pytest.mark.parametrize(
    ("how", "status"),
    [("resume_on_payment_attempt", "past_due"), ("resume_on_payment_success", "paused")],
)
def test_a_resumption_whose_payment_fails(shop: Shop, client: Client, time: Time, how, status):
    subscription = shop.subscribe()
    card = other_card(shop, FAILS)
    client.v1.subscriptions.pause(
        subscription.id, {"bill_for": {"unused_time_from": {"type": "none"}}}
    )
    client.v1.subscriptions.update(subscription.id, {"default_payment_method": card})
    waiting = client.v1.subscriptions.resume(subscription.id, {"payment_behavior": how})
    if how == "resume_on_payment_attempt":
        with pytest.raises(stripe.CardError):
            client.v1.invoices.pay(waiting.latest_invoice)
    assert client.v1.subscriptions.retrieve(subscription.id).status == status


def test_a_resumption_that_nobody_pays_for_is_given_up(shop: Shop, client: Client, time: Time):
    subscription = shop.subscribe()
    client.v1.subscriptions.pause(
        subscription.id, {"bill_for": {"unused_time_from": {"type": "none"}}}
    )
    waiting = client.v1.subscriptions.resume(subscription.id)
    time.to(time.state["now"] + 23 * HOUR)
    assert client.v1.invoices.retrieve(waiting.latest_invoice).status == "void"
    assert client.v1.subscriptions.retrieve(subscription.id).status == "paused"
    assert client.v1.subscriptions.resume(subscription.id).latest_invoice != waiting.latest_invoice


def test_the_paid_period_goes_on_where_the_anchor_is_unchanged(shop: Shop, client: Client):
    subscription = shop.subscribe()
    client.v1.subscriptions.pause(
        subscription.id, {"bill_for": {"unused_time_from": {"type": "none"}}}
    )
    active = client.v1.subscriptions.resume(
        subscription.id, {"billing_cycle_anchor": {"type": "unchanged"}}
    )
    assert active.status == "active"
    assert period(active) == period(subscription)
    assert active.latest_invoice == subscription.latest_invoice
    assert client.v1.invoice_items.list().data == []


def test_a_trial_that_still_runs_goes_on_and_nothing_is_billed_before_its_end(
    shop: Shop, client: Client, time: Time
):
    subscription = shop.subscribe()
    end = period(subscription)[1] + 60 * DAY
    client.v1.subscriptions.update(
        subscription.id, {"trial_end": end, "proration_behavior": "none"}
    )
    client.v1.subscriptions.pause(subscription.id)
    resumed = client.v1.subscriptions.resume(subscription.id)
    assert (resumed.status, resumed.trial_end, period(resumed)[1]) == ("trialing", end, end)
    assert client.v1.invoice_items.list().data == []
    paid = client.v1.invoices.list({"subscription": subscription.id}).data
    assert sorted(each.amount_paid for each in paid) == [0, 1000]
    assert time.state["next_due"] == end


def test_the_api_begins_a_subscription(shop: Shop, client: Client, time: Time):
    card = other_card(shop)
    made = client.v1.subscriptions.create(
        {
            "customer": shop.customer.id,
            "items": [{"price": shop.monthly.id}],
            "default_payment_method": card,
            "metadata": {"by": "staff"},
        }
    )
    assert (made.status, made.metadata.by) == ("active", "staff")
    assert client.v1.invoices.retrieve(made.latest_invoice).amount_paid == 1000
    assert types(client, 9) == [
        "customer.subscription.created",
        "invoice.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice_payment.paid",
        "customer.subscription.updated",
    ]
    assert time.state["next_due"] == period(made)[1]


@pytest.mark.parametrize("behavior", ["default_incomplete", "allow_incomplete"])
def test_one_that_nobody_pays_for_lapses(shop: Shop, client: Client, time: Time, behavior):
    card = other_card(shop, FAILS)
    made = client.v1.subscriptions.create(
        {
            "customer": shop.customer.id,
            "items": [{"price": shop.monthly.id}],
            "default_payment_method": card,
            "payment_behavior": behavior,
        }
    )
    assert made.status == "incomplete"
    lapses = made.created + 23 * HOUR
    assert time.state["next_due"] == lapses
    time.to(lapses)
    after = client.v1.subscriptions.retrieve(made.id, {"expand": ["latest_invoice"]})
    assert (after.status, after.latest_invoice.status) == ("incomplete_expired", "void")
    assert types_after(client, lapses) == ["customer.subscription.updated", "invoice.voided"]


def test_an_incomplete_one_begins_once_it_is_paid(shop: Shop, client: Client, time: Time):
    made = client.v1.subscriptions.create(
        {
            "customer": shop.customer.id,
            "items": [{"price": shop.monthly.id}],
            "payment_behavior": "default_incomplete",
        }
    )
    client.v1.invoices.pay(made.latest_invoice, {"payment_method": other_card(shop)})
    active = client.v1.subscriptions.retrieve(made.id)
    assert active.status == "active"
    assert time.state["next_due"] == period(active)[1]


def test_one_without_a_card_is_refused(shop: Shop, client: Client):
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        client.v1.subscriptions.create(
            {"customer": shop.customer.id, "items": [{"price": shop.monthly.id}]}
        )
    assert client.v1.subscriptions.list({"status": "all"}).data == []
