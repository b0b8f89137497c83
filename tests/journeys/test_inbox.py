"""The inbox: what is believed, what is fetched, how often, and what waits when Stripe is busy."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Event, Thread

import pytest
from django.db import connection

from billing import budget, gateway, locks, subscriptions, webhooks
from billing.models import Budget, Grant, StripeEvent, Subscription
from tests.journeys.journey import Journey
from tests.journeys.telling import at

APRIL, MAY = at("2027-04-01 09:00"), at("2027-05-01 09:00")
HOUR, GRACE = timedelta(hours=1), timedelta(days=7)


@pytest.fixture
def renewed(journey: Journey) -> Iterator[Journey]:
    """Somebody whose first renewal was paid at Stripe, and of which we have heard nothing."""
    journey.has_subscribed()
    journey.teller.news()
    journey.world.webhooks.hold()
    for instant in (APRIL, APRIL + HOUR):
        journey.world.jump_to(instant)
        journey.world.sandbox.runner.catch_up()
    yield journey
    journey.world.webhooks.drop()
    journey.world.settle()
    journey.teller.news()
    journey._stated.clear()
    journey._stated[journey.car.vehicle.id] = (
        journey.teller.grants(journey.car),
        journey.teller.verdict(journey.car),
    )


def mirror() -> Subscription:
    return Subscription.objects.get()


def grant_ends() -> object:
    return Grant.objects.get().ends_at


def reads(journey: Journey) -> int:
    """How often Stripe was asked for a subscription."""
    calls = journey.world.sandbox.meter.counts()["calls"]
    return int(calls.get("GET /v1/subscriptions/{id}", 0))


def test_a_paid_renewal_is_believed_without_a_call(renewed: Journey) -> None:
    before = reads(renewed)
    renewed.world.sandbox.faults.plant("outage")

    renewed.world.webhooks.deliver(which=["invoice.paid"])

    renewed.world.sandbox.faults.clear()
    assert grant_ends() == MAY + GRACE
    assert mirror().paid_through == MAY
    assert reads(renewed) == before
    assert StripeEvent.objects.filter(type="invoice.paid", state="handled").count() == 2


def test_a_turned_period_waits_for_its_payment_and_is_not_fetched(renewed: Journey) -> None:
    before = reads(renewed)
    renewed.world.webhooks.deliver(which=["customer.subscription.updated"], times=2)
    waiting = StripeEvent.objects.get(state="received")
    assert waiting.next_attempt_at == renewed.now + webhooks.CALM
    renewed.world.webhooks.deliver(which=["invoice.paid"])

    renewed.world.go_to(waiting.next_attempt_at)

    assert reads(renewed) == before
    assert not StripeEvent.objects.filter(state="received").exists()
    assert mirror().period_ends_at == MAY


def test_a_turned_period_whose_payment_nobody_heard_of_is_fetched(renewed: Journey) -> None:
    before = reads(renewed)
    renewed.world.webhooks.deliver(which=["customer.subscription.updated"])
    renewed.world.webhooks.drop()

    renewed.world.go_to(renewed.now + webhooks.CALM)

    assert reads(renewed) == before + 1
    assert mirror().paid_through == MAY


def test_one_fetch_answers_all_events_that_were_here_before_it(renewed: Journey) -> None:
    renewed.world.sandbox.faults.plant("outage")
    renewed.world.webhooks.deliver()
    subscription = mirror().stripe_subscription_id
    for number in range(20):
        webhooks.take_in(updated(subscription, f"evt_more{number}"), now=renewed.now)
    renewed.world.sandbox.faults.clear()
    before = reads(renewed)

    webhooks.process(StripeEvent.objects.get(stripe_event_id="evt_more7").pk, now=renewed.now)

    assert reads(renewed) == before + 1
    assert not StripeEvent.objects.filter(state="received").exists()


def test_a_look_from_before_the_payment_does_not_take_it_back(
    renewed: Journey, monkeypatch
) -> None:
    """A fetch that began before the renewal was paid is recorded after the event that says so."""
    now, stripe_id = renewed.now, mirror().stripe_subscription_id
    fetched = gateway.subscription(stripe_id)
    unpaid = tuple(one for one in fetched.invoices if one.reason == "subscription_create")

    def slow(_: str) -> gateway.Subscription:
        renewed.world.webhooks.deliver(which=["invoice.paid"])
        return replace(fetched, invoices=unpaid)

    monkeypatch.setattr(gateway, "subscription", slow)
    subscriptions.sync(stripe_id, now=now)

    assert mirror().paid_through == MAY
    assert grant_ends() == MAY + GRACE


def test_when_the_budget_is_spent_events_wait_and_people_do_not(renewed: Journey, settings) -> None:
    settings.STRIPE_READS_PER_SECOND = 2
    Budget.objects.all().delete()
    subscription = mirror().stripe_subscription_id
    budget.take(now=renewed.now)
    budget.take(now=renewed.now)
    event = webhooks.take_in(updated(subscription, "evt_busy"), now=renewed.now)
    before = reads(renewed)

    with pytest.raises(budget.Spent):
        webhooks.process(event.pk, now=renewed.now)

    event.refresh_from_db()
    assert (event.state, event.attempts) == ("received", 0)
    assert event.next_attempt_at == renewed.now + webhooks.SOON
    assert reads(renewed) == before
    subscriptions.sync(subscription, now=renewed.now)  # As a click does.
    assert reads(renewed) == before + 1

    later = renewed.now + timedelta(seconds=1)
    webhooks.process(event.pk, now=later)
    event.refresh_from_db()
    assert event.state == "handled"


def test_the_budget_fills_by_the_second_and_no_further(journey: Journey, settings) -> None:
    settings.STRIPE_READS_PER_SECOND = 3
    Budget.objects.all().delete()

    def taken(now) -> int:
        count = 0
        while True:
            try:
                budget.take("test", now=now)
            except budget.Spent:
                return count
            count += 1

    assert taken(journey.now) == 3
    assert taken(journey.now + timedelta(milliseconds=400)) == 1
    assert taken(journey.now) == 0  # A clock that is behind earns nothing.
    assert taken(journey.now + timedelta(hours=1)) == 3


def test_while_one_worker_fetches_another_leaves_the_subscription_alone(renewed: Journey) -> None:
    subscription = mirror().stripe_subscription_id
    event = webhooks.take_in(updated(subscription, "evt_second"), now=renewed.now)
    held, done = Event(), Event()

    def hold() -> None:
        with locks.only_one(f"event:{subscription}") as mine:
            assert mine
            held.set()
            done.wait(20)
        connection.close()

    worker = Thread(target=hold)
    worker.start()
    assert held.wait(20)
    before = reads(renewed)
    try:
        webhooks.process(event.pk, now=renewed.now)
    finally:
        done.set()
        worker.join()

    event.refresh_from_db()
    assert (event.state, event.next_attempt_at) == ("received", renewed.now + webhooks.SOON)
    assert reads(renewed) == before


def updated(subscription: str, event_id: str) -> dict[str, object]:
    """An event that says that something about a subscription has changed."""
    return {
        "id": event_id,
        "type": "customer.subscription.updated",
        "api_version": gateway.API_VERSION,
        "data": {"object": {"id": subscription}, "previous_attributes": {"status": "trialing"}},
    }
