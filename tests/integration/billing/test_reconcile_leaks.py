"""Reconcile: where money or service leaks, how it goes on after a kill, and what it costs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import (
    amends,
    clock,
    gateway,
    intents,
    locks,
    reconcile,
    subjects,
    subscriptions,
    tasks,
    webhooks,
)
from billing.gateway import listing
from billing.models import (
    Checkout,
    Customer,
    Dispute,
    Finding,
    Grant,
    Intent,
    Reconciliation,
    Seat,
    StripeEvent,
    Subscription,
)
from fleet.models import Ownership, Vehicle
from tests.factories import make_user
from tests.integration.billing.test_reconcile import bought, buy, found, read_events, run
from tests.integration.conftest import Stripe

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["bought"]


def test_paying_without_a_car(stripe: Stripe, bought) -> None:
    """Made by staff in Stripe's dashboard: it is mirrored, and grants nothing until adopted."""
    _, mirror = bought
    Grant.objects.all().delete()
    Seat.objects.all().delete()
    Subscription.objects.update(checkout=None, subject=None)
    assert run()[0] == 1
    assert found() == {"paying_without_a_car"}
    detail = Finding.objects.get(what=mirror.stripe_subscription_id).detail
    assert detail == "active; it did not come from our checkout"


def test_two_live_subscriptions_for_one_car(stripe: Stripe, bought) -> None:
    car, mirror = bought
    _, other = buy(stripe)
    read_events()
    Grant.objects.filter(subscription=other).delete()
    Seat.objects.filter(subscription=other).delete()
    Subscription.objects.filter(pk=other.pk).update(subject=car.vehicle.id)
    assert run()[0] == 1
    two = Finding.objects.filter(kind="two_live_subscriptions")
    both = {mirror.stripe_subscription_id, other.stripe_subscription_id}
    assert set(two.values_list("what", flat=True)) == both


def test_a_car_out_of_service_and_one_that_is_not_theirs(stripe: Stripe, bought) -> None:
    car, _ = bought
    Vehicle.objects.filter(id=car.vehicle.id).update(removed_at=clock.now())
    assert (run()[0], found()) == (1, {"unknown_subject"})
    Vehicle.objects.filter(id=car.vehicle.id).update(removed_at=None)
    Ownership.objects.update(ends_at=clock.now())
    Ownership.objects.create(vehicle=car.vehicle, owner=make_user(), starts_at=clock.now())
    assert (run(fix=True)[0], found()) == (1, {"not_the_owner"})


def test_a_closed_account_that_pays(stripe: Stripe, bought) -> None:
    payer = Seat.objects.get().payer
    payer.is_active = False
    payer.save()
    assert (run()[0], found()) == (1, {"unknown_payer"})


def test_premium_whose_end_was_decided_is_ended(stripe: Stripe, bought) -> None:
    _, mirror = bought
    subjects.cancel_and_refund(mirror, full=True, now=clock.now())
    Seat.objects.all().delete()
    Checkout.objects.update(state=Checkout.State.ABANDONED)
    for intent in intents.due(clock.now()):
        intents.retry(intent, now=clock.now())
    until = Grant.objects.get().ends_at
    read_events()
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    Grant.objects.update(ends_at=until)
    assert (run()[0], found()) == (1, {"premium_without_a_payer"})
    assert run(fix=True)[0] == 0
    ended = Grant.objects.get().ends_at
    assert ended is not None
    assert ended <= clock.now()


def test_an_end_that_stripe_refuses_is_found_and_asked_for_again(
    stripe: Stripe, bought, monkeypatch
) -> None:
    _, mirror = bought
    which = mirror.stripe_subscription_id

    def refuse(*_: Any, **__: Any) -> None:
        raise gateway.StripeRefused("Not now.", "not_now")

    end: dict[str, Any] = {"subscription_id": mirror.pk, "reason": "asked", "actor": None}
    with monkeypatch.context() as refusing:
        refusing.setattr(gateway, "cancel_subscription", refuse)
        with pytest.raises(gateway.StripeRefused):
            amends.cancel_now(**end, refund=amends.Refund.FULL, now=clock.now())
    assert gateway.subscription(which).ended_at is None
    assert (run(fix=True)[0], found()) == (1, {"end_refused", "paying_without_a_car"})
    assert Finding.objects.filter(detail__contains="Not now.").exists()
    assert amends.cancel_now(**end, refund=amends.Refund.FULL, now=clock.now())
    assert gateway.subscription(which).ended_at is not None
    refunds = Intent.objects.filter(kind=Intent.Kind.REFUND_SUBSCRIPTION)
    assert refunds.latest("pk").answer == {"amount": 1000}
    assert not subjects.cancel_and_refund(mirror, full=True, now=clock.now())
    read_events()
    assert run()[0] == 0


def test_who_has_sold_the_car_gets_no_seat_back(stripe: Stripe, bought) -> None:
    car, _ = bought
    Seat.objects.all().delete()
    Ownership.objects.update(ends_at=clock.now())
    Ownership.objects.create(vehicle=car.vehicle, owner=make_user(), starts_at=clock.now())
    assert (run(fix=True)[0], found()) == (1, {"seat_missing", "not_the_owner"})
    assert not Seat.objects.exists()


def test_premium_without_the_seat_is_left_to_people(stripe: Stripe, bought) -> None:
    """Somebody pays for it, so nothing is ended by itself."""
    Seat.objects.all().delete()
    Checkout.objects.update(state=Checkout.State.ABANDONED)
    status, said = run(fix=True)
    assert status == 1
    assert found() == {"grant_without_seat", "paying_without_a_car"}
    assert "Else decide who pays" in said


def test_a_subscription_that_stripe_does_not_know(stripe: Stripe, bought) -> None:
    Subscription.objects.update(stripe_subscription_id="sub_elsewhere")
    status, said = run(fix=True)
    assert status == 1
    assert "subscription_gone" in found()
    assert "Nothing repairs it" in said


def test_a_customer_deleted_with_its_account_is_no_finding(stripe: Stripe, bought) -> None:
    _, mirror = bought
    customer = Customer.objects.select_related("payer").get()
    stripe.delete(f"customers/{customer.stripe_customer_id}")
    read_events()
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    customer.payer.is_active = False
    customer.payer.save()
    assert run() == (0, run()[1])


def test_a_dispute_that_was_not_heard_of(stripe: Stripe, bought) -> None:
    invoice = bought[1].invoices.get().stripe_invoice_id
    paid = stripe.get(f"invoice_payments?invoice={invoice}")["data"][0]["payment"]
    stripe.control("disputes", payment_intent=paid["payment_intent"])
    read_events()
    assert (run()[0], found()) == (1, {"dispute_missing"})
    assert run(fix=True)[0] == 0
    assert Dispute.objects.get().status == "needs_response"
    assert run()[0] == 0


def test_what_a_bank_took_back_for_is_not_charged_again(stripe: Stripe, bought) -> None:
    """Its end was undone at Stripe before anybody here had seen it."""
    _, mirror = bought
    before = clock.now() - timedelta(days=31)
    money = {"status": "paid", "currency": "usd", "total": 1000, "amount_paid": 1000}
    earlier = mirror.invoices.create(
        stripe_invoice_id="in_before", created_at=before, paid_through=clock.now(), **money
    )
    earlier.disputes.create(
        stripe_dispute_id="du_before",
        status="lost",
        amount=1000,
        currency="usd",
        opened_at=before,
        synced_at=clock.now(),
    )
    assert (run()[0], found()) == (1, {"charged_again"})

    assert run(fix=True)[0] == 0  # It is about to end.

    for intent in intents.due(clock.now()):
        intents.retry(intent, now=clock.now())
    there = stripe.get(f"subscriptions/{mirror.stripe_subscription_id}")
    assert there["cancel_at"] == mirror.period_ends_at.timestamp()
    read_events()
    assert run(fix=True)[0] == 0
    assert run()[0] == 0


@pytest.mark.parametrize("ends", [False, True], ids=["paused", "and then ended"])
def test_time_that_a_pause_has_credited_is_no_drift(stripe: Stripe, bought, ends: bool) -> None:
    _, mirror = bought
    stripe_id = mirror.stripe_subscription_id
    stripe.post(f"subscriptions/{stripe_id}/pause", type="subscription")
    if ends:
        stripe.delete(f"subscriptions/{stripe_id}")
    read_events()
    subscriptions.sync(stripe_id, now=clock.now())
    for intent in intents.due(clock.now()):
        intents.retry(intent, now=clock.now())
    read_events()
    run(fix=True)
    run()
    assert found() == set()


def test_parked_events_are_told(stripe: Stripe, bought) -> None:
    old = clock.now() - timedelta(hours=2)
    first = StripeEvent.objects.order_by("pk")[:1].values("pk")
    StripeEvent.objects.filter(pk__in=first).update(
        state="parked", api_version="2020-08-27", received_at=old
    )
    assert (run(fix=True)[0], found()) == (1, {"event_parked"})
    assert "in API version 2020-08-27" in Finding.objects.get().detail


def test_killed_after_any_page_it_goes_on_there(stripe: Stripe, bought, monkeypatch) -> None:
    """Pages of one; each step in a process of its own, as it were."""
    for _ in range(2):
        buy(stripe)
    read_events()
    monkeypatch.setattr(listing, "PER_PAGE", 1)
    Grant.objects.update(ends_at=clock.now().replace(microsecond=0) + timedelta(days=1))
    Subscription.objects.update(card_last4="0000")
    steps, more = 0, True
    while more:
        again = reconcile.begin(repairs=True, now=clock.now())
        more = reconcile.step(again, reconcile.Pace(clock.now))
        steps += 1
    assert steps > 8
    assert Reconciliation.objects.filter(repairs=True).count() == 1
    stale = Finding.objects.filter(kind="mirror_stale")
    assert set(stale.values_list("what", flat=True)) == set(
        Subscription.objects.values_list("stripe_subscription_id", flat=True)
    )
    assert not Finding.objects.filter(repaired_at=None).exists()
    assert run()[0] == 0


def test_stripe_away_in_the_middle_says_where_it_goes_on(stripe: Stripe, bought) -> None:
    stripe.control("faults", kind="outage", path="/v1/subscriptions")
    with pytest.raises(CommandError, match="goes on at subscriptions"):
        run()
    stripe.heal()
    status, said = run()
    assert status == 0
    assert "Going on at subscriptions" in said


def test_of_two_at_once_one_works() -> None:
    def another() -> str:
        try:
            call_command("reconcile")
        except CommandError as error:
            return str(error)
        finally:
            connection.close()
        return "it ran"

    with ThreadPoolExecutor(1) as pool, locks.only_one("billing.reconcile"):
        assert pool.submit(another).result(10).startswith("Another one is running")


def test_where_nothing_differs_more_subscriptions_are_no_more_queries(
    stripe: Stripe, bought
) -> None:
    with CaptureQueriesContext(connection) as few:
        run()
    for _ in range(4):
        buy(stripe)
    read_events()
    with CaptureQueriesContext(connection) as many:
        assert run()[0] == 0
    assert len(many) <= len(few) + 2  # the budget's row may be asked again


def test_the_nightly_one_begins_at_night_and_once(stripe: Stripe, moving_clock) -> None:
    night = clock.now().replace(hour=3) + timedelta(days=1)
    assert reconcile.due(night.replace(hour=12)) is None
    begun = reconcile.due(night)
    assert begun is not None
    assert reconcile.due(night) == begun
    while reconcile.step(begun, reconcile.Pace(lambda: night)):
        pass
    assert reconcile.due(night + timedelta(hours=2)) is None
    assert reconcile.due(night + timedelta(days=1)) is not None


def test_events_that_never_came_are_taken_in_after_days(stripe: Stripe, moving_clock) -> None:
    """An outage of four days: Stripe has given up to deliver, and its list still knows."""
    stripe.control("webhooks/hold")
    tasks.catch_up()
    buy(stripe)
    Seat.objects.all().delete()
    Grant.objects.all().delete()
    stripe.control("webhooks/drop")
    moving_clock.advance(days=4)
    StripeEvent.objects.all().delete()  # What time has brought in the meantime is not the point.
    tasks.catch_up()
    kinds = set(StripeEvent.objects.values_list("type", flat=True))
    assert {"checkout.session.completed", "customer.subscription.created", "invoice.paid"} <= kinds
    count = StripeEvent.objects.count()
    tasks.catch_up()
    assert StripeEvent.objects.count() == count
    tasks.sweep()
    assert Grant.objects.filter(subscription__status="active").exists()


def test_catching_up_goes_on_where_it_was_stopped(stripe: Stripe, monkeypatch) -> None:
    stripe.control("webhooks/hold")
    buy(stripe)
    clock.advance(120)
    StripeEvent.objects.all().delete()
    monkeypatch.setattr(listing, "PER_PAGE", 2)
    counts = [0]
    while reconcile.catch_up(reconcile.Pace(clock.now)):
        counts.append(StripeEvent.objects.count())
    assert len(counts) > 3
    assert counts == sorted(counts)
    assert counts[-1] > counts[1]
    made = stripe.get("events?limit=100")["data"]
    wanted = {event["id"] for event in made if event["type"] in webhooks.HANDLED}
    assert set(StripeEvent.objects.values_list("stripe_event_id", flat=True)) == wanted


def test_a_missed_event_in_another_api_version_is_parked(stripe: Stripe, monkeypatch) -> None:
    stripe.control("webhooks/hold")
    buy(stripe)
    clock.advance(120)
    StripeEvent.objects.all().delete()
    monkeypatch.setattr(gateway, "API_VERSION", "2027-01-01.next")
    tasks.catch_up()
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {"parked"}
