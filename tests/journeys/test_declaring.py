"""Contracts that end by a declaration of somebody who is not signed in, and need not be."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from connectivity.law.models import Declaration
from tests.factories import make_car
from tests.journeys.browsing import letter, link_in
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL = at("2027-03-01 09:00"), at("2027-04-01 09:00")
SAID = at("2027-03-08 09:00")  # 24 of 31 days are left: $7.75 of $10.00, in the payer's favour.
GRACE, A_DAY, SECOND = timedelta(days=7), timedelta(days=1), timedelta(seconds=1)
CANCEL, WITHDRAW = "/kuendigen/", "/withdraw/"
SOLD = "Premium Connectivity for one car: the features that its page lists"


@pytest.fixture(autouse=True)
def _nobody_declared_before(journey: Journey) -> None:
    """What other tests sent is counted in a table that is no model's."""
    cache.clear()


@pytest.fixture
def german(journey: Journey) -> Journey:
    """The owner's car was made for Germany."""
    journey.car = make_car(journey.owner.user, market="DE")
    journey.world.settle()
    return pays(journey, "premium_monthly_eur", "€10.00")


def pays(journey: Journey, price: str, charge: str) -> Journey:
    """A month is paid, and a week of it is over."""
    journey.subscribes(price)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=[charge],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(SAID)
    return journey


def declares(journey: Journey, url: str, **typed: str) -> str:
    """Somebody who is not signed in fills in the form of a public page."""
    stranger = Client()
    shown = stranger.get(url).content.decode()
    token = re.search(r'name="form" value="([0-9a-f-]{36})"', shown)
    assert token is not None
    named = {"name": "Jo", "email": "owner@example.com", "reference": journey.car.vehicle.vin}
    ordinary = {"manner": "ordinary"} if url == CANCEL else {}
    answer = stranger.post(url, {"form": token[1], **named, **ordinary, **typed})
    assert answer.status_code == 200
    journey.world.settle()
    return answer.content.decode()


def presses(journey: Journey, **button: str) -> str:
    """Whoever reads the mailbox follows the receipt's link, and presses a button."""
    browser = Client()
    path = link_in(letter(journey.owner), WITHDRAW).removeprefix("http://localhost:8000")
    assert "What was declared" in browser.get(path).content.decode()
    answer = browser.post(path, button, follow=True)
    journey.world.settle()
    return answer.content.decode()


def state() -> str:
    return Declaration.objects.get().state


def test_a_cancellation_is_carried_out_at_once_told_to_its_payer_and_undone(
    journey: Journey,
) -> None:
    pays(journey, MONTHLY, "$10.00")

    shown = declares(journey, CANCEL, reference=f" {journey.car.vehicle.vin.lower()} ")

    assert "Mar 8, 2027, 09:00:00 UTC" in shown
    journey.expect(
        events=["renewal_stopped", "grant_changed"],
        mails=["declared_cancel", "cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    assert state() == "done"
    journey.keeps()
    journey.expect(
        events=["renewal_resumed", "grant_changed"],
        mails=["renewal_resumed"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )


def test_for_good_cause_nothing_more_is_charged_and_staff_judge_the_cause(
    journey: Journey,
) -> None:
    pays(journey, MONTHLY, "$10.00")
    ending = journey.car.vehicle.vin[-6:]

    declares(journey, CANCEL, reference=ending, manner="good_cause", reason="No reception.")

    journey.expect(
        events=["renewal_stopped", "grant_changed"],
        mails=["declared_cancel", "cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    assert state() == "open"


def test_a_later_end_than_what_is_paid_stops_nothing_yet(journey: Journey) -> None:
    pays(journey, MONTHLY, "$10.00")

    declares(journey, CANCEL, ends_on="2027-05-20")

    journey.expect(mails=["declared_cancel"])
    assert state() == "open"


def test_a_withdrawal_waits_a_day_for_a_word_and_is_reckoned_from_its_declaration(
    german: Journey,
) -> None:
    # What was agreed, and how to get out of it, is in a mail that stays with its reader.
    for kept in ("version 2026-11-23", "You asked us to begin", "# Your right to withdraw", SOLD):
        assert kept in _body("is active for")
    declares(german, WITHDRAW)
    german.expect(mails=["declared_withdraw"])
    german.goes_to(SAID + A_DAY - SECOND)
    german.expect()

    german.goes_to(SAID + A_DAY)

    german.expect(
        events=["withdrawn", fact("refunded", amount=775), "subscription_canceled"],
        mails=["withdrawn", "refunded"],
        refunds=["€7.75"],
        grants=[Given("subscription", BEGIN, SAID + A_DAY)],
        car=STANDARD,
    )
    assert "Mar 8, 2027, 09:00 UTC" in _body("you have withdrawn")
    assert state() == "done"


def test_the_receipts_link_carries_it_out_at_once(german: Journey) -> None:
    declares(german, WITHDRAW)
    german.expect(mails=["declared_withdraw"])

    shown = presses(german, confirm="1")

    assert "Confirmed." in shown
    german.expect(
        events=["withdrawn", fact("refunded", amount=775), "subscription_canceled"],
        mails=["withdrawn", "refunded"],
        refunds=["€7.75"],
        grants=[Given("subscription", BEGIN, SAID)],
        car=STANDARD,
    )


def test_a_stranger_who_knows_address_and_vin_ends_nothing(german: Journey) -> None:
    declares(german, WITHDRAW)
    german.expect(mails=["declared_withdraw"])

    shown = presses(german, deny="1")

    assert "you did not declare this" in shown
    german.goes_to(SAID + 2 * A_DAY)
    german.expect()
    assert state() == "denied"


def test_what_was_declared_in_time_counts_although_the_14_days_end_meanwhile(
    german: Journey,
) -> None:
    last = BEGIN + 14 * A_DAY - SECOND
    german.goes_to(last)
    declares(german, WITHDRAW)
    german.expect(mails=["declared_withdraw"])

    german.goes_to(last + A_DAY)

    # 17 of 31 days and a second were left when it was declared.
    german.expect(
        events=["withdrawn", fact("refunded", amount=549), "subscription_canceled"],
        mails=["withdrawn", "refunded"],
        refunds=["€5.49"],
        grants=[Given("subscription", BEGIN, last + A_DAY)],
        car=STANDARD,
    )


def test_what_cannot_be_withdrawn_from_is_for_staff_to_answer(journey: Journey) -> None:
    pays(journey, MONTHLY, "$10.00")
    assert SOLD in _body("is active for")
    assert "right to withdraw" not in _body("is active for")
    declares(journey, WITHDRAW)
    journey.expect(mails=["declared_withdraw"])
    assert state() == "open"


def _body(subject: str) -> str:
    return next(str(each.body) for each in mail.outbox if subject in each.subject)
