"""What happens in between: sales, outages and lost answers, at the worst moment."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from billing import checkout, clock, gateway, grants, subjects, subscriptions, tasks
from billing.models import Checkout, Grant, Intent, Seat, Subscription
from fleet import entries, garage
from fleet.models import Ownership
from tests.factories import Car, make_car, make_user
from tests.integration.billing.buying import MONTHLY, YEARLY, start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def car(owner) -> Car:
    return make_car(owner)


def sell(car: Car, owner: Any) -> None:
    garage.release(owner=owner, vehicle_id=car.vehicle.id, now=clock.now())


def paid(stripe: Stripe, owner: Any, car: Car) -> str:
    """Pay for the car, and return the subscription's id once it is known."""
    stripe.pay(start(owner, car))
    mirror = eventually(Subscription.objects.filter(status="active").first)
    return str(mirror.stripe_subscription_id)


def given_back(stripe: Stripe) -> list[int]:
    return [refund["amount"] for refund in stripe.get("refunds")["data"]]


def asked_about() -> list[Checkout]:
    """The pages about which the sweep goes on asking Stripe, as time goes by."""
    return checkout.due(clock.now() + timedelta(days=9))


def test_a_sale_while_a_sync_waits_for_the_lock(stripe: Stripe, owner, car, monkeypatch) -> None:
    stripe.control("webhooks/hold")
    stripe.pay(start(owner, car))
    subscription = stripe.get("subscriptions")["data"][0]["id"]
    lock = subjects.lock
    sold: list[bool] = []

    def sell_elsewhere() -> None:
        sell(car, owner)
        connection.close()

    def sell_first(subject_id):
        if not sold:
            sold.append(True)
            other = Thread(target=sell_elsewhere)
            other.start()
            other.join()
        return lock(subject_id)

    monkeypatch.setattr(subjects, "lock", sell_first)
    subscriptions.sync(subscription, now=clock.now())
    tasks.sweep()
    assert not Seat.objects.exists()
    assert not Grant.objects.exists()
    assert given_back(stripe) == [1000]


def test_a_sale_while_the_page_is_being_opened(stripe: Stripe, owner, car, monkeypatch) -> None:
    create = gateway.create_customer

    def sell_meanwhile(*args, **options):
        sell(car, owner)
        return create(*args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(gateway, "create_customer", sell_meanwhile)
        with pytest.raises(garage.NotInGarage):
            checkout.start(
                payer=owner,
                subject_id=car.vehicle.id,
                lookup_key=MONTHLY,
                currency="usd",
                return_url="http://localhost/back",
                cancel_url="http://localhost/left",
                still_may=lambda: entries.check_owner(owner=owner, vehicle_id=car.vehicle.id),
                now=clock.now(),
            )
    assert not Seat.objects.exists()
    buyer = make_user()
    Ownership.objects.create(vehicle=car.vehicle, owner=buyer, starts_at=clock.now())
    assert start(buyer, car)


def test_an_abandoned_page_that_was_paid_unheard(stripe: Stripe, owner, car, moving_clock) -> None:
    stripe.control("webhooks/hold")
    stripe.pay(start(owner, car))
    sell(car, owner)
    stripe.control("webhooks/drop")
    for _ in range(3):
        moving_clock.advance(hours=1)
        tasks.sweep()
        stripe.control("webhooks/drop")
    statuses = [found["status"] for found in stripe.get("subscriptions?status=all")["data"]]
    assert statuses == ["canceled"]
    assert given_back(stripe) == [1000]
    assert asked_about() == []


def test_an_abandoned_page_is_asked_about_until_its_end_is_known(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    stripe.control("webhooks/hold")
    start(owner, car)
    stripe.control("faults", kind="error", times=9, path="/v1/checkout/sessions/")
    sell(car, owner)
    tasks.sweep()
    assert asked_about() == [Checkout.objects.get(state="abandoned")]
    stripe.heal()

    moving_clock.advance(hours=2)
    tasks.sweep()

    assert asked_about() == []


def test_paid_then_ended_by_hand_before_we_heard_of_it(stripe: Stripe, owner, car) -> None:
    stripe.control("webhooks/hold")
    stripe.pay(start(owner, car))
    subscription = stripe.get("subscriptions")["data"][0]["id"]
    sell(car, owner)
    gateway.cancel_subscription(subscription, key="by staff")
    stripe.control("webhooks/deliver")
    for _ in range(2):  # The second asks about the page that could not be closed.
        tasks.sweep()
    assert given_back(stripe) == [1000]
    assert asked_about() == []


def test_a_wrong_key_for_a_minute_is_an_outage(
    stripe: Stripe, owner, car, moving_clock, settings
) -> None:
    paid(stripe, owner, car)
    sell(car, owner)
    good, settings.STRIPE_SECRET_KEY = settings.STRIPE_SECRET_KEY, "rk_rolled"
    tasks.sweep()
    with pytest.raises(checkout.StripeAway):
        start(make_user(), car)
    settings.STRIPE_SECRET_KEY = good
    moving_clock.advance(hours=2)
    tasks.sweep()
    assert stripe.get("subscriptions?status=all")["data"][0]["status"] == "canceled"
    assert len(given_back(stripe)) == 1


def test_who_was_refused_once_may_try_again(stripe: Stripe, owner, car, monkeypatch) -> None:
    def refuse(*_args, **_options):
        raise gateway.StripeRefused("No.", "email_invalid")

    with monkeypatch.context() as patched:
        patched.setattr(gateway, "create_customer", refuse)
        with pytest.raises(checkout.StripeRefused):
            start(owner, car)
    assert start(owner, car)


def test_the_price_that_was_clicked_last_is_the_one_that_is_paid(
    stripe: Stripe, owner, car
) -> None:
    stripe.control("faults", kind="error", times=2, method="POST", path="/v1/checkout/sessions")
    with pytest.raises(checkout.StripeAway):
        start(owner, car, YEARLY)
    stripe.pay(start(owner, car, MONTHLY))
    eventually(Subscription.objects.filter(status="active").first)
    assert Subscription.objects.get().interval == "month"
    tasks.sweep()


def test_a_page_that_was_never_opened_does_not_block_the_seat(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    stripe.control("faults", kind="error", times=2, method="POST", path="/v1/checkout/sessions")
    with pytest.raises(checkout.StripeAway):
        start(owner, car)
    moving_clock.advance(minutes=45)
    assert start(owner, car)
    assert Checkout.objects.filter(state="open").count() == 1


def test_no_renewal_slips_in_between_the_end_and_the_refund(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    subscription = paid(stripe, owner, car)
    period = stripe.get(f"subscriptions/{subscription}")["items"]["data"][0]["current_period_end"]
    moving_clock.advance(seconds=int(period - clock.unix()) - 300)
    sell(car, owner)
    stripe.control("faults", kind="error", times=9, method="DELETE", path="/v1/subscriptions")
    tasks.sweep()
    tasks.sweep()
    moving_clock.advance(hours=3)
    stripe.heal()
    for _ in range(2):
        tasks.sweep()
        moving_clock.advance(hours=3)
    charged = sum(invoice["amount_paid"] for invoice in stripe.get("invoices")["data"])
    assert charged - sum(given_back(stripe)) <= 1000


def test_a_renewal_that_came_before_the_end_does_not_hide_what_was_unused_before_it(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    """Stripe was away for so long that the sold car's subscription was renewed once more."""
    paid(stripe, owner, car)
    moving_clock.advance(days=10)
    sell(car, owner)
    moving_clock.advance(days=22)
    eventually(lambda: len(stripe.get("invoices?status=paid")["data"]) == 2)
    for _ in range(2):
        tasks.sweep()
        moving_clock.advance(hours=2)
    renewal, first = given_back(stripe)[::-1]
    assert renewal == 1000
    assert 640 <= first <= 680  # 20 of 30 days, or 21 of 31


def test_who_buys_before_the_trial_begins_is_charged_after_it(stripe: Stripe, owner, car) -> None:
    now = clock.now().replace(microsecond=0)
    begins = now + timedelta(hours=12)
    ends = begins + timedelta(days=30)
    grants.give(grants.Gift(car.vehicle.id, "premium", "trial", begins, ends), now=now)
    stripe.pay(start(owner, car))
    mirror = eventually(Subscription.objects.filter(status="trialing").first)
    assert mirror.trial_ends_at == ends
    assert sum(invoice["amount_paid"] for invoice in stripe.get("invoices")["data"]) == 0


def test_money_is_given_back_once_even_if_stripe_forgot_the_key(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    paid(stripe, owner, car)
    moving_clock.advance(days=20)
    sell(car, owner)
    stripe.control("faults", kind="drop_after", times=1, method="POST", path="/v1/refunds")
    stripe.control("faults", kind="drop", times=2, method="POST", path="/v1/refunds")
    tasks.sweep()
    stripe.heal()
    forget_keys(stripe.server.data_dir / "stripe.sqlite3")
    moving_clock.advance(hours=25)
    tasks.sweep()
    assert len(given_back(stripe)) == 1
    assert not Intent.objects.filter(answered_at=None).exists()


def forget_keys(file: Path) -> None:
    """What Stripe does after a day: an idempotency key means nothing any more."""
    db = sqlite3.connect(file, timeout=5)
    assert db.execute("DELETE FROM idempotency").rowcount
    db.commit()
    db.close()


def test_what_staff_gave_back_before_is_left_out(stripe: Stripe, owner, car) -> None:
    subscription = paid(stripe, owner, car)
    invoice = gateway.subscription(subscription).invoices[0].id
    gateway.refund(gateway.payments_of_invoice(invoice)[0], 200, key="goodwill by staff")
    sell(car, owner)
    tasks.sweep()
    assert 990 <= sum(given_back(stripe)) <= 1000


def test_a_page_that_stripe_no_longer_knows_frees_the_seat(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    start(owner, car)
    Checkout.objects.update(stripe_session_id="cs_gone")
    moving_clock.advance(hours=2)
    tasks.sweep()
    assert not Seat.objects.exists()
    assert start(owner, car)
