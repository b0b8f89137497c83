"""One car, one seat, one charge: whatever tabs, timeouts and second thoughts do."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection

from billing import checkout, clock, grants, standing, tasks
from billing.models import Checkout, Customer, DomainEvent, Grant, Intent, Seat, Subscription
from fleet import garage
from tests.factories import make_car, make_user
from tests.integration.billing.buying import MONTHLY, YEARLY, start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def car(owner):
    return make_car(owner)


def state_of(car, payer) -> str:
    return standing.standing(car.vehicle.id, payer=payer, now=clock.now()).state


def test_two_tabs_get_the_same_page(stripe: Stripe, owner, car) -> None:
    assert start(owner, car) == start(owner, car)
    assert Checkout.objects.count() == Seat.objects.count() == 1
    assert len(stripe.get("checkout/sessions")["data"]) == 1


def test_many_tabs_at_once_get_the_same_page(stripe: Stripe, owner, car) -> None:
    together = Barrier(8)

    def click() -> str:
        try:
            together.wait(10)
            return start(owner, car)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as tabs:
        urls = {future.result() for future in [tabs.submit(click) for _ in range(8)]}
    assert len(urls) == 1
    assert Seat.objects.count() == 1
    assert Customer.objects.count() == 1
    assert len(stripe.get("checkout/sessions")["data"]) == 1
    assert len(stripe.get("customers")["data"]) == 1


def test_leaving_and_coming_back_resumes(stripe: Stripe, owner, car) -> None:
    url = start(owner, car)
    assert state_of(car, owner) == "checkout_open"
    assert standing.standing(car.vehicle.id, payer=owner, now=clock.now()).checkout_url == url
    assert start(owner, car) == url


def test_another_price_closes_the_first_page(stripe: Stripe, owner, car) -> None:
    monthly = start(owner, car, MONTHLY)
    yearly = start(owner, car, YEARLY)
    assert yearly != monthly
    assert stripe.pay(monthly).status_code == 200  # It says that it is closed.
    assert stripe.pay(yearly).status_code == 303
    eventually(Subscription.objects.filter(status="active", interval="year").first)
    assert Subscription.objects.count() == 1


def test_paid_in_one_tab_while_the_other_chooses_another_price(stripe: Stripe, owner, car) -> None:
    stripe.control("webhooks/hold")
    stripe.pay(start(owner, car, MONTHLY))
    with pytest.raises(checkout.AlreadySubscribed):
        start(owner, car, YEARLY)
    assert Subscription.objects.get().status == "active"
    assert len(stripe.get("subscriptions")["data"]) == 1


def test_who_has_it_cannot_buy_it_again(stripe: Stripe, owner, car) -> None:
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(status="active").first)
    with pytest.raises(checkout.AlreadySubscribed):
        start(owner, car)


def test_another_payer_finds_the_seat_taken(stripe: Stripe, owner, car) -> None:
    start(owner, car)
    with pytest.raises(checkout.SeatTaken):
        start(make_user(), car)


def test_an_unknown_price_is_not_on_sale(stripe: Stripe, owner, car) -> None:
    with pytest.raises(checkout.NotOnSale):
        start(owner, car, "free_lunch")
    assert not Seat.objects.exists()


@pytest.mark.parametrize("card", ["4000000000000002", "4000000000009995", "4000000000000127"])
def test_a_declined_card_leaves_the_page_open_and_grants_nothing(
    stripe: Stripe, owner, car, card: str
) -> None:
    url = start(owner, car)
    answer = stripe.pay(url, card)
    assert answer.status_code == 200
    assert not Subscription.objects.exists()
    assert state_of(car, owner) == "checkout_open"
    assert stripe.pay(url).status_code == 303
    eventually(Grant.objects.first)


def test_a_page_that_nobody_pays_expires_and_frees_the_seat(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    url = start(owner, car)
    moving_clock.advance(hours=1, seconds=5)
    eventually(Checkout.objects.filter(state="expired").first)
    assert not Seat.objects.exists()
    assert state_of(car, owner) == "none"
    assert start(owner, car) != url


def test_an_expiry_that_nobody_announced_is_found(stripe: Stripe, owner, car, moving_clock) -> None:
    stripe.control("webhooks/hold")
    start(owner, car)
    moving_clock.advance(hours=1, minutes=2)
    tasks.sweep()
    assert Checkout.objects.get().state == "expired"
    assert not Seat.objects.exists()


def test_a_payment_that_nobody_announced_is_found_once_the_payer_is_back(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    stripe.control("webhooks/hold")
    stripe.pay(start(owner, car))
    checkout.returned(payer=owner, subject_id=car.vehicle.id, now=clock.now())
    moving_clock.advance(seconds=6)
    tasks.sweep()
    assert Grant.objects.get().subject_id == car.vehicle.id


def test_stripe_is_away_and_nothing_is_half_done(stripe: Stripe, owner, car) -> None:
    stripe.control("faults", kind="error", times=2, method="POST", path="/v1/checkout/sessions")
    with pytest.raises(checkout.StripeAway):
        start(owner, car)
    url = start(owner, car)
    assert url
    assert Checkout.objects.count() == 1
    assert len(stripe.get("checkout/sessions")["data"]) == 1


def test_stripe_acted_but_its_answer_was_lost(stripe: Stripe, owner, car) -> None:
    stripe.control(
        "faults", kind="drop_after", times=2, method="POST", path="/v1/checkout/sessions"
    )
    with pytest.raises(checkout.StripeAway):
        start(owner, car)
    url = start(owner, car)
    sessions = stripe.get("checkout/sessions")["data"]
    assert [session["url"] for session in sessions] == [url]


def test_a_process_that_died_before_the_answer_is_made_good(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    stripe.control(
        "faults", kind="drop_after", times=2, method="POST", path="/v1/checkout/sessions"
    )
    with pytest.raises(checkout.StripeAway):
        start(owner, car)
    moving_clock.advance(seconds=10)
    tasks.sweep()
    page = Checkout.objects.get()
    assert page.state == "open"
    assert Intent.objects.filter(answered_at=None).count() == 0
    assert start(owner, car) == page.url


def test_selling_the_car_ends_the_subscription_and_gives_back_unused_time(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(status="active").first)
    moving_clock.advance(days=10)
    garage.release(owner=owner, vehicle_id=car.vehicle.id, now=clock.now())
    assert Grant.objects.filter(ends_at__lte=clock.now()).count() == 1
    assert not Seat.objects.exists()
    tasks.sweep()
    eventually(Subscription.objects.filter(status="canceled").first)
    refunds = stripe.get("refunds")["data"]
    assert len(refunds) == 1
    assert 640 <= refunds[0]["amount"] <= 700  # 20 of 30 or 31 days
    assert DomainEvent.objects.filter(kind="refunded", payer=owner).count() == 1
    tasks.sweep()
    assert len(stripe.get("refunds")["data"]) == 1


def test_paid_on_a_page_whose_seat_is_gone_is_refunded_in_full(stripe: Stripe, owner, car) -> None:
    url = start(owner, car)
    stripe.control("faults", kind="error", times=9, method="POST", path="/v1/checkout/sessions/")
    garage.release(owner=owner, vehicle_id=car.vehicle.id, now=clock.now())
    stripe.pay(url)
    lost = eventually(DomainEvent.objects.filter(kind="subscription_lost_its_seat").first)
    assert lost.payer == owner
    assert not Grant.objects.exists()
    stripe.heal()
    tasks.sweep()
    eventually(Subscription.objects.filter(status="canceled").first)
    assert [refund["amount"] for refund in stripe.get("refunds")["data"]] == [1000]
    buyer = make_user()
    assert start(buyer, car)


def test_who_buys_during_the_trial_is_first_charged_at_its_end(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    now = clock.now().replace(microsecond=0)
    ends_at = now + timedelta(days=12)
    gift = grants.Gift(car.vehicle.id, "premium", "trial", now - timedelta(days=18), ends_at)
    grants.give(gift, now=now)
    stripe.pay(start(owner, car))
    mirror = eventually(Subscription.objects.filter(status="trialing").first)
    assert mirror.trial_ends_at == mirror.paid_through == ends_at
    terms = standing.standing(car.vehicle.id, payer=owner, now=now)
    assert (terms.state, terms.next_charge_at) == ("trialing", ends_at)
    assert sum(invoice["amount_paid"] for invoice in stripe.get("invoices")["data"]) == 0
    moving_clock.advance(days=12, hours=2)
    eventually(Subscription.objects.filter(status="active").first, 20)
    assert sum(invoice["amount_paid"] for invoice in stripe.get("invoices")["data"]) == 1000
