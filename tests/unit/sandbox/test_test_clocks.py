"""Customers with time of their own."""

import datetime as dt
from typing import Any

import pytest
import stripe

from tests.unit.sandbox.conftest import PAYS, Client, Shop, pay
from tests.unit.sandbox.passing import DAY, FAILS

START = int(dt.datetime(2026, 1, 31, 8, 30, 15, tzinfo=dt.UTC).timestamp())
LEAP = int(dt.datetime(2028, 2, 29, 12, tzinfo=dt.UTC).timestamp())


def on_a_clock(client: Client, at: int = START) -> tuple[Any, Any]:
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": at, "name": "a year"})
    customer = client.v1.customers.create({"email": "clock@demo.test", "test_clock": clock.id})
    return clock, customer


def subscribed(shop: Shop, customer: Any, number: str = PAYS, **more: Any) -> Any:
    session = shop.checkout(customer=customer.id, **more)
    assert pay(session.url, number).status_code == 303
    done = shop.client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
    return done.subscription


def advance(client: Client, clock: Any, to: int) -> Any:
    started = client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": to})
    assert started.status == "advancing"
    assert started.status_details.advancing.target_frozen_time == to
    done = client.v1.test_helpers.test_clocks.retrieve(clock.id)
    assert (done.status, done.frozen_time) == ("ready", to)
    return done


def test_a_customers_objects_live_by_the_clock(shop: Shop, client: Client):
    clock, customer = on_a_clock(client)
    assert (customer.created, customer.test_clock) == (START, clock.id)
    subscription = subscribed(shop, customer)
    assert (subscription.created, subscription.test_clock) == (START, clock.id)
    assert subscription.billing_cycle_anchor == START
    invoice = client.v1.invoices.retrieve(subscription.latest_invoice)
    assert (invoice.created, invoice.test_clock) == (START, clock.id)
    own = shop.subscribe()
    assert own.test_clock is None
    assert own.created > START + 100 * DAY


def test_advancing_renews_in_time_order_on_calendar_months(shop: Shop, client: Client):
    clock, customer = on_a_clock(client)
    subscription = subscribed(shop, customer)
    advance(client, clock, START + 57 * DAY)
    advance(client, clock, START + 60 * DAY)
    ends = [
        dt.datetime.fromtimestamp(invoice.lines.data[0].period.end, dt.UTC).date().isoformat()
        for invoice in client.v1.invoices.list({"subscription": subscription.id}).data
    ]
    assert ends == ["2026-04-30", "2026-03-31", "2026-02-28"]
    events = client.v1.events.list({"limit": 100}).data
    renewals = [event for event in reversed(events) if event.created > START + DAY]
    of_the_clock = [event for event in renewals if event.created < START + 61 * DAY]
    stamps = [event.created for event in of_the_clock]
    assert stamps == sorted(stamps)
    assert of_the_clock[-1].type == "test_helpers.test_clock.ready"


def test_yearly_from_the_29th_of_february(shop: Shop, client: Client):
    clock, customer = on_a_clock(client, LEAP)
    yearly = shop.price("year", 10000)
    subscription = subscribed(shop, customer, line_items=[{"price": yearly.id, "quantity": 1}])
    for _ in range(4):
        now = client.v1.subscriptions.retrieve(subscription.id)
        advance(client, clock, now["items"].data[0].current_period_end + 3600)
    ends = [
        dt.datetime.fromtimestamp(invoice.lines.data[0].period.start, dt.UTC).date().isoformat()
        for invoice in client.v1.invoices.list({"subscription": subscription.id}).data
    ]
    assert ends == ["2032-02-29", "2031-02-28", "2030-02-28", "2029-02-28", "2028-02-29"]


def test_retries_happen_at_their_own_instants(shop: Shop, client: Client):
    clock, customer = on_a_clock(client)
    subscription = subscribed(shop, customer, FAILS, subscription_data={"trial_period_days": 5})
    charged = START + 5 * DAY + 3600
    advance(client, clock, START + 30 * DAY)
    failed = client.v1.events.list({"type": "charge.failed"}).data
    assert [event.created for event in reversed(failed)] == [
        charged,
        charged + 3 * DAY,
        charged + 8 * DAY,
        charged + 15 * DAY,
    ]
    assert client.v1.subscriptions.retrieve(subscription.id).ended_at == charged + 15 * DAY


def test_a_clock_never_goes_backwards_nor_too_far(shop: Shop, client: Client):
    clock, customer = on_a_clock(client)
    for target in (START, START - 1, START + 3 * 366 * DAY):
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": target})
    subscribed(shop, customer)
    with pytest.raises(stripe.InvalidRequestError, match="two intervals"):
        client.v1.test_helpers.test_clocks.advance(clock.id, {"frozen_time": START + 62 * DAY})


def test_a_clock_that_goes_takes_everything_along(shop: Shop, client: Client):
    clock, customer = on_a_clock(client)
    subscription = subscribed(shop, customer)
    assert [one.id for one in client.v1.test_helpers.test_clocks.list().data] == [clock.id]
    assert client.v1.test_helpers.test_clocks.delete(clock.id).deleted
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    assert client.v1.customers.retrieve(customer.id).deleted
    assert client.v1.test_helpers.test_clocks.list().data == []


def test_three_customers_share_a_clock_and_no_more(client: Client):
    clock, _ = on_a_clock(client)
    for _ in range(2):
        client.v1.customers.create({"test_clock": clock.id})
    with pytest.raises(stripe.InvalidRequestError, match="up to 3 customers"):
        client.v1.customers.create({"test_clock": clock.id})
