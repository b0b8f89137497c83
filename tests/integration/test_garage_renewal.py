"""Cancelling from the car's page: two clicks, and one to undo it."""

from datetime import timedelta

import pytest

from billing import clock
from billing.models import Subscription
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually
from tests.integration.test_garage_pages import browser_of, page, subscribe, text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return make_user()


def paid(stripe: Stripe, owner):
    car = make_car(owner)
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(status="active").first)
    return car


def test_two_clicks_cancel_and_one_undoes_it(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    assert f'href="{page(car, "cancel")}"' in text(browser.get(page(car)))

    asked = text(browser.get(page(car, "cancel")))
    assert "You keep Premium until <time datetime=" in asked
    assert "Nothing more is charged." in asked
    assert "you can undo this" in asked
    assert Subscription.objects.get().renews
    shown = browser.post(page(car, "cancel"), follow=True)
    assert shown.redirect_chain == [(page(car), 302)]
    assert "Ends on <time datetime=" in text(shown)
    assert "You keep Premium until then. No more charges." in text(shown)
    assert f'href="{page(car, "cancel")}"' not in text(shown)
    assert f'action="{page(car, "keep")}"' in text(shown)

    shown = text(browser.post(page(car, "keep"), follow=True))
    assert "You keep Premium. It renews as before." in shown
    assert "Next charge $10.00" in shown
    assert page(car, "keep") not in shown


def test_while_stripe_is_away_the_page_says_that_it_is_noted(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    stripe.control("faults", kind="error", times=99, method="POST", path="/v1/subscriptions/")

    shown = text(browser.post(page(car, "cancel"), follow=True))

    assert "Noted." in shown
    stripe.heal()
    assert "Ends on" in text(browser.post(page(car, "cancel"), follow=True))


@pytest.mark.parametrize("status", ["past_due", "unpaid"])
def test_where_no_paid_time_is_left_the_page_says_that_it_ends_now(owner, status) -> None:
    car, browser = make_car(owner), browser_of(owner)
    subscribe(car, owner, status, paid_through=clock.now() - timedelta(days=1))

    assert page(car, "cancel") in text(browser.get(page(car)))
    asked = text(browser.get(page(car, "cancel")))

    assert "ends now" in asked
    assert "your card is not tried again" in asked
    assert "You keep Premium until" not in asked


@pytest.mark.parametrize("name", ["cancel", "keep"])
def test_where_there_is_no_subscription_it_is_said_so(owner, name) -> None:
    car, browser = make_car(owner), browser_of(owner)

    assert page(car, name) not in text(browser.get(page(car)))
    assert "no running subscription" in text(browser.post(page(car, name), follow=True))
    assert browser.get(page(car, "cancel")).headers["Location"] == page(car)


def test_an_ended_one_is_not_resumed(owner) -> None:
    car, browser = make_car(owner), browser_of(owner)
    past = clock.now() - timedelta(seconds=1)
    subscribe(car, owner, ends_at=past, paid_through=past)

    assert "no running subscription" in text(browser.post(page(car, "keep"), follow=True))


@pytest.mark.parametrize("name", ["cancel", "keep"])
def test_foreign_cars_are_not_found(owner, name) -> None:
    car = make_car(owner)
    subscribe(car, owner)
    stranger = browser_of(make_user())

    assert stranger.post(page(car, name)).status_code == 404
    assert stranger.get(page(car, "cancel")).status_code == 404
    assert Subscription.objects.get().renews


@pytest.mark.parametrize("name", ["cancel", "keep"])
def test_nobody_cancels_without_signing_in(client, owner, name) -> None:
    url = page(make_car(owner), name)

    assert client.post(url).headers["Location"] == f"/accounts/login/?next={url}"


def test_nothing_is_kept_by_looking(owner) -> None:
    assert browser_of(owner).get(page(make_car(owner), "keep")).status_code == 405
