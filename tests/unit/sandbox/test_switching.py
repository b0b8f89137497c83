"""What a change of price, trial or cycle costs, as previewed and as invoiced."""

from typing import Any

import pytest
import stripe

from sandbox.stripe.effects.proration import share
from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, SandboxClock, Shop
from tests.unit.sandbox.passing import DAY, FAILS, Time, other_card, types_after


@pytest.fixture
def time(sandbox: SandboxServer, sandbox_clock: SandboxClock) -> Time:
    return Time(sandbox, sandbox_clock)


@pytest.mark.parametrize(
    ("amount", "since", "left"),
    [(1000, 0, 1000), (1000, 1, 667), (1000, 2, 333), (1000, 3, 0), (-1000, 1, -667), (3, 1.5, 2)],
)
def test_a_share_is_rounded_to_the_nearest_cent_and_halves_away(amount, since, left):
    assert share(amount, start=0, end=60, since=int(since * 20)) == left


def item_of(subscription: Any) -> Any:
    return subscription["items"].data[0]


def to(price: Any, subscription: Any) -> list[dict[str, Any]]:
    return [{"id": item_of(subscription).id, "price": price.id}]


def previewed(client: Client, subscription: Any, **details: Any) -> Any:
    return client.v1.invoices.create_preview(
        {"subscription": subscription.id, "subscription_details": details}
    )


def latest(client: Client, subscription: Any) -> Any:
    return client.v1.subscriptions.retrieve(
        subscription.id, {"expand": ["latest_invoice"]}
    ).latest_invoice


def amounts(invoice: Any) -> list[tuple[int, bool]]:
    return [
        (line.amount, line.parent.subscription_item_details.proration)
        for line in invoice.lines.data
    ]


def test_monthly_to_yearly_costs_what_the_preview_said(shop: Shop, client: Client, time: Time):
    yearly = shop.price("year", 10000)
    subscription = shop.subscribe()
    start, end = (
        item_of(subscription).current_period_start,
        item_of(subscription).current_period_end,
    )
    time.to(start + 10 * DAY + 12345)
    at = start + 10 * DAY
    shown = previewed(
        client,
        subscription,
        items=to(yearly, subscription),
        proration_behavior="always_invoice",
        proration_date=at,
    )
    assert client.v1.invoice_items.list().data == []
    time.to(time.state["now"] + 600)
    switched = client.v1.subscriptions.update(
        subscription.id,
        {
            "items": to(yearly, subscription),
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
            "proration_date": at,
        },
    )
    invoice = latest(client, subscription)
    unused = -share(1000, start=start, end=end, since=at)
    assert amounts(shown) == amounts(invoice) == [(unused, True), (10000, False)]
    assert shown.amount_due == invoice.amount_paid == 10000 + unused
    assert (invoice.billing_reason, shown.billing_reason) == ("subscription_update", "upcoming")
    credited = invoice.lines.data[0].parent.subscription_item_details.proration_details
    assert credited.credited_items.invoice == subscription.latest_invoice
    assert switched.pending_update is None
    assert (item_of(switched).price.id, switched.status) == (yearly.id, "active")
    assert switched.billing_cycle_anchor == item_of(switched).current_period_start
    assert invoice.lines.data[1].period.end == item_of(switched).current_period_end
    assert item_of(switched).current_period_end - item_of(switched).current_period_start > 364 * DAY
    assert time.state["next_due"] == item_of(switched).current_period_end


def test_a_dearer_price_waits_for_the_next_invoice(shop: Shop, client: Client, time: Time):
    dearer = shop.price("month", 2000)
    subscription = shop.subscribe()
    start, end = (
        item_of(subscription).current_period_start,
        item_of(subscription).current_period_end,
    )
    at = start + 7 * DAY
    time.to(at)
    change = {"items": to(dearer, subscription), "proration_date": at}
    shown = previewed(client, subscription, **change)
    changed = client.v1.subscriptions.update(subscription.id, change)
    assert changed.latest_invoice == subscription.latest_invoice
    waiting = client.v1.invoice_items.list({"pending": True, "customer": shop.customer.id}).data
    unused, rest = (share(each, start=start, end=end, since=at) for each in (1000, 2000))
    assert [item.amount for item in waiting] == [rest, -unused]
    assert item_of(changed).current_period_end == end
    time.to(end + 3600)
    invoice = latest(client, subscription)
    assert amounts(invoice) == [(-unused, True), (rest, True), (2000, False)]
    assert amounts(shown) == amounts(invoice)
    assert invoice.amount_paid == shown.amount_due == 2000 + rest - unused
    assert client.v1.invoice_items.list({"pending": True}).data == []


def test_a_second_change_gives_back_what_the_first_one_billed(
    shop: Shop, client: Client, time: Time
):
    subscription = shop.subscribe()
    dearer, dearest = shop.price("month", 2000), shop.price("month", 5000)
    start, end = (
        item_of(subscription).current_period_start,
        item_of(subscription).current_period_end,
    )
    first, second = start + 5 * DAY, start + 20 * DAY
    for price, at in ((dearer, first), (dearest, second)):
        time.to(at)
        client.v1.subscriptions.update(
            subscription.id,
            {
                "items": to(price, subscription),
                "proration_behavior": "always_invoice",
                "proration_date": at,
            },
        )
    rest = share(2000, start=start, end=end, since=first)
    assert amounts(latest(client, subscription)) == [
        (-share(rest, start=first, end=end, since=second), True),
        (share(5000, start=start, end=end, since=second), True),
    ]


def test_a_cheaper_price_leaves_a_credit_that_the_renewal_uses(
    shop: Shop, client: Client, time: Time
):
    cheaper = shop.price("month", 300)
    subscription = shop.subscribe()
    end = item_of(subscription).current_period_end
    client.v1.subscriptions.update(
        subscription.id,
        {"items": to(cheaper, subscription), "proration_behavior": "always_invoice"},
    )
    credit = latest(client, subscription)
    assert (credit.status, credit.amount_due, credit.total) == ("paid", 0, credit.ending_balance)
    balance = client.v1.customers.retrieve(shop.customer.id).balance
    assert balance == credit.total < 0
    time.to(end + 3600)
    renewal = latest(client, subscription)
    assert (renewal.total, renewal.starting_balance) == (300, balance)
    assert (renewal.amount_due, renewal.ending_balance) == (0, balance + 300)
    assert client.v1.customers.retrieve(shop.customer.id).balance == balance + 300


def test_none_changes_the_price_from_the_next_period_on(shop: Shop, client: Client, time: Time):
    dearer = shop.price("month", 2000)
    subscription = shop.subscribe()
    end = item_of(subscription).current_period_end
    client.v1.subscriptions.update(
        subscription.id, {"items": to(dearer, subscription), "proration_behavior": "none"}
    )
    time.to(end + 3600)
    assert amounts(latest(client, subscription)) == [(2000, False)]


def pending(shop: Shop, number: str = FAILS) -> tuple[Any, Any]:
    """A monthly subscription that is to become yearly once its failing card has paid."""
    client, yearly = shop.client, shop.price("year", 10000)
    subscription = shop.subscribe()
    method = other_card(shop, number)
    client.v1.subscriptions.update(subscription.id, {"default_payment_method": method})
    changed = client.v1.subscriptions.update(
        subscription.id,
        {"items": to(yearly, subscription), "payment_behavior": "pending_if_incomplete"},
    )
    return changed, yearly


def test_an_unpaid_change_waits_and_is_made_once_paid(shop: Shop, client: Client, time: Time):
    waiting, yearly = pending(shop)
    assert item_of(waiting).price.id == shop.monthly.id
    assert waiting.status == "active"
    assert waiting.pending_update.subscription_items[0].price.id == yearly.id
    invoice = latest(client, waiting)
    assert (invoice.status, invoice.next_payment_attempt) == ("open", None)
    assert time.state["next_due"] == waiting.pending_update.expires_at
    time.to(time.state["now"] + 3600)
    client.v1.invoices.pay(invoice.id, {"payment_method": other_card(shop)})
    changed = client.v1.subscriptions.retrieve(waiting.id)
    assert changed.pending_update is None
    assert item_of(changed).price.id == yearly.id
    assert item_of(changed).current_period_end == invoice.lines.data[-1].period.end
    [applied] = client.v1.events.list({"type": "customer.subscription.pending_update_applied"}).data
    assert applied.data.object.id == waiting.id


def test_a_change_that_nobody_pays_for_is_dropped(shop: Shop, client: Client, time: Time):
    waiting, _ = pending(shop)
    expires = waiting.pending_update.expires_at
    invoice = waiting.latest_invoice
    time.to(expires - 1)
    assert client.v1.subscriptions.retrieve(waiting.id).pending_update is not None
    time.to(expires)
    assert types_after(client, expires) == [
        "invoice.voided",
        "customer.subscription.updated",
        "customer.subscription.pending_update_expired",
    ]
    after = client.v1.subscriptions.retrieve(waiting.id)
    assert (after.pending_update, item_of(after).price.id) == (None, shop.monthly.id)
    assert client.v1.invoices.retrieve(invoice).status == "void"
    assert client.v1.invoice_items.list({"pending": True}).data == []


def test_a_change_that_waits_takes_no_other_parameters(shop: Shop, client: Client):
    subscription = shop.subscribe()
    with pytest.raises(stripe.InvalidRequestError, match="supported params"):
        client.v1.subscriptions.update(
            subscription.id,
            {"metadata": {"a": "1"}, "payment_behavior": "pending_if_incomplete"},
        )


def test_error_if_incomplete_leaves_nothing_behind(shop: Shop, client: Client):
    yearly = shop.price("year", 10000)
    subscription = shop.subscribe()
    method = other_card(shop, FAILS)
    client.v1.subscriptions.update(subscription.id, {"default_payment_method": method})
    with pytest.raises(stripe.CardError) as declined:
        client.v1.subscriptions.update(
            subscription.id,
            {"items": to(yearly, subscription), "payment_behavior": "error_if_incomplete"},
        )
    assert declined.value.http_status == 402
    after = client.v1.subscriptions.retrieve(subscription.id)
    assert item_of(after).price.id == shop.monthly.id
    assert after.latest_invoice == subscription.latest_invoice


def test_by_default_a_change_that_is_not_paid_owes(shop: Shop, client: Client, time: Time):
    yearly = shop.price("year", 10000)
    subscription = shop.subscribe()
    method = other_card(shop, FAILS)
    client.v1.subscriptions.update(subscription.id, {"default_payment_method": method})
    changed = client.v1.subscriptions.update(subscription.id, {"items": to(yearly, subscription)})
    assert (changed.status, item_of(changed).price.id) == ("past_due", yearly.id)
    retried = latest(client, changed).next_payment_attempt
    assert time.state["next_due"] == retried


def test_a_trial_extends_what_was_paid(shop: Shop, client: Client, time: Time):
    subscription = shop.subscribe()
    ends = item_of(subscription).current_period_end + 5 * DAY
    extended = client.v1.subscriptions.update(
        subscription.id, {"trial_end": ends, "proration_behavior": "none"}
    )
    assert (extended.status, extended.trial_end) == ("trialing", ends)
    assert extended.billing_cycle_anchor == item_of(extended).current_period_end == ends
    assert latest(client, extended).total == 0
    time.to(ends - 3600)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "trialing"
    time.to(ends + 3600)
    active = client.v1.subscriptions.retrieve(subscription.id)
    assert (active.status, item_of(active).current_period_start) == ("active", ends)
    charge = latest(client, active)
    assert (charge.amount_paid, charge.status_transitions.paid_at) == (1000, ends + 3600)


def test_a_trial_that_ends_now_is_charged_now(shop: Shop, client: Client):
    trial = shop.subscribe(subscription_data={"trial_period_days": 30})
    active = client.v1.subscriptions.update(trial.id, {"trial_end": "now"})
    assert (active.status, active.trial_end) == ("active", active.billing_cycle_anchor)
    assert latest(client, active).amount_paid == 1000


def test_a_cycle_that_begins_anew_gives_the_old_one_back(shop: Shop, client: Client, time: Time):
    subscription = shop.subscribe()
    start, end = (
        item_of(subscription).current_period_start,
        item_of(subscription).current_period_end,
    )
    at = start + 9 * DAY
    time.to(at)
    client.v1.subscriptions.update(
        subscription.id, {"billing_cycle_anchor": {"type": "now"}, "proration_date": at}
    )
    unused = share(1000, start=start, end=end, since=at)
    assert amounts(latest(client, subscription)) == [(-unused, True), (1000, False)]


def test_cancelling_now_can_give_the_rest_back_to_the_balance(
    shop: Shop, client: Client, time: Time
):
    subscription = shop.subscribe()
    gone = client.v1.subscriptions.cancel(subscription.id, {"prorate": True, "invoice_now": True})
    assert gone.status == "canceled"
    final = latest(client, subscription)
    assert (final.status, final.amount_due) == ("paid", 0)
    assert final.total == client.v1.customers.retrieve(shop.customer.id).balance == -1000
    assert time.state["next_due"] is None


def test_cancelling_drops_a_change_that_waits(shop: Shop, client: Client):
    waiting, _ = pending(shop)
    assert waiting.pending_update is not None
    assert client.v1.subscriptions.cancel(waiting.id).pending_update is None
    with pytest.raises(stripe.InvalidRequestError, match="no longer be paid"):
        client.v1.invoices.pay(waiting.latest_invoice)
