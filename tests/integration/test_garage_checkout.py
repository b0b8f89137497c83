"""From a car's page to Stripe's and back, through the web and a Stripe that calls back."""

import pytest

from billing import clock
from billing.models import Checkout, Subscription
from tests.factories import make_car, make_user
from tests.integration.conftest import Stripe, eventually
from tests.integration.test_garage_pages import browser_of, page, text

pytestmark = pytest.mark.django_db(transaction=True)

MONTHLY, YEARLY = {"lookup_key": "premium_monthly_usd"}, {"lookup_key": "premium_yearly_usd"}


def test_pay_and_see_both_truths_move(stripe: Stripe):
    owner = make_user()
    car, browser = make_car(owner), browser_of(owner)
    car.sign_in()
    car.check()

    answer = browser.post(page(car, "subscribe"), MONTHLY)
    assert answer.status_code == 303
    back = stripe.pay(answer.headers["Location"]).headers["Location"]
    assert back == f"http://testserver{page(car)}?checkout=done"
    eventually(Subscription.objects.filter(status="active").first)

    shown = text(browser.get(back))
    assert "Next charge $10.00" in shown
    assert "Active in your car" not in shown
    car.check()
    car.report()
    shown = text(browser.get(page(car)))
    assert "Active in your car since" in shown


def test_two_tabs_get_one_payment_page(stripe: Stripe):
    owner = make_user()
    car = make_car(owner)

    first, second = (browser_of(owner).post(page(car, "subscribe"), MONTHLY) for _ in range(2))

    assert first.headers["Location"] == second.headers["Location"]
    assert Checkout.objects.filter(state="open").count() == 1


def test_another_price_replaces_the_page(stripe: Stripe):
    owner = make_user()
    car, browser = make_car(owner), browser_of(owner)

    first = browser.post(page(car, "subscribe"), MONTHLY).headers["Location"]
    second = browser.post(page(car, "subscribe"), YEARLY).headers["Location"]

    assert first != second
    assert [c.lookup_key for c in Checkout.objects.filter(state="open")] == ["premium_yearly_usd"]


def test_while_stripe_is_away_the_page_says_so_and_nothing_is_charged(stripe: Stripe, settings):
    owner = make_user()
    car, browser = make_car(owner), browser_of(owner)
    stripe_url, settings.STRIPE_API_BASE = settings.STRIPE_API_BASE, "http://localhost:1"

    answer = browser.post(page(car, "subscribe"), MONTHLY)

    assert answer.status_code == 503
    assert "You have not been charged" in text(answer)
    settings.STRIPE_API_BASE = stripe_url
    assert browser.post(page(car, "subscribe"), MONTHLY).status_code == 303


def test_a_payment_page_that_ran_out_leaves_the_offer(stripe: Stripe, moving_clock):
    owner = make_user()
    car, browser = make_car(owner), browser_of(owner)
    browser.post(page(car, "subscribe"), MONTHLY)
    assert "Payment page opened" in text(browser.get(page(car)))

    moving_clock.advance(hours=2)

    assert clock.now() > Checkout.objects.get().expires_at
    shown = text(browser.get(page(car)))
    assert "Payment page opened" not in shown
    assert "Subscribe for $10 a month" in shown
