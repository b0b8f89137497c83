"""What time alone does to a subscription."""

import datetime as dt
import itertools

import pytest

from sandbox.stripe.effects.periods import next_boundary, nth_boundary
from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, SandboxClock, Shop, pay

DAY = 86400


def day(text: str) -> int:
    return int(dt.datetime.fromisoformat(f"{text}T08:30:15+00:00").timestamp())


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "boundaries"),
    [
        ("2026-01-31", "month", 1, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2027-12-30", "month", 1, ["2028-01-30", "2028-02-29", "2028-03-30"]),
        ("2026-11-30", "month", 3, ["2027-02-28", "2027-05-30"]),
        ("2028-02-29", "year", 1, ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("2026-12-31", "week", 1, ["2027-01-07", "2027-01-14"]),
        ("2026-12-31", "day", 2, ["2027-01-02"]),
    ],
)
def test_periods_are_counted_from_the_anchor(anchor, interval, count, boundaries):
    recurring = {"interval": interval, "interval_count": count}
    for number, boundary in enumerate(boundaries, start=1):
        assert nth_boundary(day(anchor), recurring, number) == day(boundary)
        assert next_boundary(day(anchor), recurring, day(boundary) - 1) == day(boundary)
        assert next_boundary(day(anchor), recurring, day(boundary)) > day(boundary)


def test_a_renewal_moves_the_period_first_and_charges_an_hour_later(
    shop: Shop, client: Client, sandbox: SandboxServer, sandbox_clock: SandboxClock
):
    subscription = shop.subscribe()
    ends = subscription["items"].data[0].current_period_end
    now = sandbox.running.app.extensions["world"].clock.now
    sandbox_clock.advance(seconds=ends - now() + 1)
    turned = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})
    assert turned["items"].data[0].current_period_start == ends
    assert (turned.status, turned.latest_invoice.status) == ("active", "draft")
    assert turned.latest_invoice.billing_reason == "subscription_cycle"
    assert turned.latest_invoice.automatically_finalizes_at == ends + 3600
    [updated] = client.v1.events.list({"type": "customer.subscription.updated"}).data
    assert updated.created == ends
    before = updated.data.previous_attributes
    assert before["items"]["data"][0]["current_period_end"] == ends

    sandbox_clock.advance(hours=1)
    invoice = client.v1.invoices.retrieve(turned.latest_invoice.id)
    assert (invoice.status, invoice.amount_paid) == ("paid", 1000)
    assert invoice.status_transitions.paid_at == ends + 3600
    assert invoice.period_start == subscription["items"].data[0].current_period_start
    assert invoice.lines.data[0].period.start == ends
    types = [event.type for event in client.v1.events.list({"limit": 8}).data]
    assert types == [
        "invoice_payment.paid",
        "invoice.payment_succeeded",
        "invoice.paid",
        "payment_intent.succeeded",
        "charge.succeeded",
        "invoice.finalized",
        "invoice.created",
        "customer.subscription.updated",
    ]


def test_a_year_in_one_step_is_twelve_renewals(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    subscription = shop.subscribe()
    sandbox_clock.advance(days=366)
    invoices = client.v1.invoices.list({"subscription": subscription.id, "limit": 100}).data
    assert len(invoices) == 13
    assert {invoice.status for invoice in invoices} == {"paid"}
    periods = [invoice.lines.data[0].period for invoice in reversed(invoices)]
    assert all(earlier.end == later.start for earlier, later in itertools.pairwise(periods))
    recurring = {"interval": "month", "interval_count": 1}
    assert [period.end for period in periods] == [
        nth_boundary(subscription.billing_cycle_anchor, recurring, number)
        for number in range(1, 14)
    ]
    stamps = [event.created for event in client.v1.events.list({"limit": 100}).auto_paging_iter()]
    assert stamps == sorted(stamps, reverse=True)


@pytest.mark.parametrize(
    "how", [{"cancel_at_period_end": True}, {"cancel_at": "min_period_end"}], ids=str
)
def test_the_scheduled_end_comes_and_nothing_is_charged(
    shop: Shop, client: Client, sandbox_clock: SandboxClock, how
):
    subscription = shop.subscribe()
    client.v1.subscriptions.update(subscription.id, how)
    sandbox_clock.advance(days=32)
    ended = client.v1.subscriptions.retrieve(subscription.id)
    assert ended.status == "canceled"
    assert ended.ended_at == subscription["items"].data[0].current_period_end
    [event] = client.v1.events.list({"type": "customer.subscription.deleted"}).data
    assert event.created == ended.ended_at
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 1


def test_an_end_before_the_period_ends(shop: Shop, client: Client, sandbox_clock: SandboxClock):
    subscription = shop.subscribe()
    at = subscription.created + 10 * DAY
    client.v1.subscriptions.update(subscription.id, {"cancel_at": at})
    sandbox_clock.advance(days=11)
    assert client.v1.subscriptions.retrieve(subscription.id).ended_at == at


def test_an_end_that_was_undone_does_not_come(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    subscription = shop.subscribe()
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    sandbox_clock.advance(days=32)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "active"
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 2


def test_a_trial_ends_with_its_first_charge(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    subscription = shop.subscribe(subscription_data={"trial_period_days": 10})
    assert subscription.status == "trialing"
    sandbox_clock.advance(days=8)
    [warning] = client.v1.events.list({"type": "customer.subscription.trial_will_end"}).data
    assert warning.created == subscription.trial_end - 3 * DAY
    sandbox_clock.advance(days=2, hours=2)
    active = client.v1.subscriptions.retrieve(subscription.id, {"expand": ["latest_invoice"]})
    assert (active.status, active.latest_invoice.amount_paid) == ("active", 1000)
    assert active["items"].data[0].current_period_start == subscription.trial_end
    assert active.latest_invoice.lines.data[0].period.start == subscription.trial_end


def test_a_card_that_fails_later_leaves_the_subscription_past_due(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    session = shop.checkout(subscription_data={"trial_period_days": 3})
    assert pay(session.url, "4000000000000341").status_code == 303
    sandbox_clock.advance(days=3, hours=2)
    [subscription] = client.v1.subscriptions.list(
        {"status": "past_due", "expand": ["data.latest_invoice"]}
    ).data
    invoice = subscription.latest_invoice
    assert (invoice.status, invoice.attempt_count, invoice.amount_paid) == ("open", 1, 0)
    types = [event.type for event in client.v1.events.list({"limit": 5}).data]
    assert types == [
        "customer.subscription.updated",
        "invoice.payment_failed",
        "invoice.updated",
        "payment_intent.payment_failed",
        "charge.failed",
    ]


def test_a_cancelled_subscription_does_not_renew(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    subscription = shop.subscribe()
    sandbox_clock.advance(
        seconds=subscription["items"].data[0].current_period_end - subscription.created + 60
    )
    assert len(client.v1.invoices.list({"subscription": subscription.id}).data) == 2
    client.v1.subscriptions.cancel(subscription.id)
    sandbox_clock.advance(days=40)
    [draft] = client.v1.invoices.list({"subscription": subscription.id, "status": "draft"}).data
    assert draft.auto_advance is False
    [paid] = client.v1.invoices.list({"subscription": subscription.id, "status": "paid"}).data
    assert paid.billing_reason == "subscription_create"
