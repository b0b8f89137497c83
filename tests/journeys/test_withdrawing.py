"""The 14 days in which a contract for a car of the European market can be withdrawn from."""

from datetime import timedelta

import pytest
from django.core import mail

from billing.grants import Gift, give
from billing.models import Subscription
from tests.factories import Car, make_car
from tests.journeys.browsing import sees_car
from tests.journeys.journey import Journey
from tests.journeys.people import page
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL = at("2027-03-01 09:00"), at("2027-04-01 09:00")
LAST = at("2027-03-15 09:00")  # From this instant on it is too late.
GRACE, SECOND = timedelta(days=7), timedelta(seconds=1)
MONTHLY, YEARLY = "premium_monthly_eur", "premium_yearly_eur"
LINK = "Withdraw from contract here"


@pytest.fixture
def german(journey: Journey) -> Journey:
    """The owner's car was made for Germany."""
    journey.car = make_car(journey.owner.user, market="DE")
    journey.world.settle()
    return journey


def pay(journey: Journey, price: str, charge: str, end) -> None:
    """The first period is paid."""
    journey.subscribes(price)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=[charge],
        grants=[Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )


def withdraw(journey: Journey, car: Car | None = None) -> str:
    """Follow the link on the car's page, read, and press the one button of the second page."""
    declaration = sees_car(journey.owner, car or journey.car).follows(LINK)
    assert "You need no reason" in declaration.text
    assert "You declare this as owner@example.com" in declaration.text
    return declaration.presses("Confirm withdrawal").text


def presses_nevertheless(journey: Journey) -> str:
    """Send the declaration though no page offers it any more."""
    answer = journey.owner.browser.post(page(journey.car, "withdraw"), follow=True)
    journey.world.settle()
    return answer.content.decode()


def receipt(journey: Journey) -> str:
    """The mail that acknowledges the withdrawal."""
    address = journey.owner.user.email
    mine = [each for each in mail.outbox if address in each.to and "Receipt" in each.subject]
    assert len(mine) == 1
    return f"{mine[0].subject}\n{mine[0].body}"


def subscription(journey: Journey) -> str:
    """Stripe's name of the contract."""
    return Subscription.objects.get(subject_id=journey.car.vehicle.id).stripe_subscription_id


def test_withdrawal_in_the_last_second_of_the_14_days(german: Journey) -> None:
    pay(german, MONTHLY, "€10.00", APRIL)
    german.goes_to(LAST - SECOND)

    shown = withdraw(german)

    # 17 of 31 days and a second are left: €5.483874…, in the payer's favour.
    german.expect(
        events=[
            fact("withdrawn", currency="eur"),
            fact("refunded", amount=549),
            "subscription_canceled",
        ],
        mails=["withdrawn", "refunded"],
        refunds=["€5.49"],
        grants=[Given("subscription", BEGIN, LAST - SECOND)],
        car=STANDARD,
    )
    assert "You have withdrawn from the contract on Mar 15, 2027, 08:59" in shown
    assert "Mar 15, 2027, 08:59 UTC" in receipt(german)
    assert f"Contract: {subscription(german)}" in receipt(german)
    assert page(german.car, "withdraw") not in sees_car(german.owner, german.car).html

    german.goes_to(APRIL + timedelta(days=1))
    german.expect()


def test_after_14_days_there_is_no_withdrawal(german: Journey) -> None:
    pay(german, MONTHLY, "€10.00", APRIL)
    german.goes_to(LAST - SECOND)
    assert LINK in sees_car(german.owner, german.car).text
    german.expect()

    german.goes_to(LAST)

    assert page(german.car, "withdraw") not in sees_car(german.owner, german.car).html
    answer = presses_nevertheless(german)
    assert "possible for 14 days" in answer
    german.expect()
    german.at_boundary(APRIL, before="premium", after="premium")
    german.goes_to(APRIL + timedelta(hours=1))
    may = at("2027-05-01 09:00") + GRACE
    german.expect(
        events=[fact("grant_changed", ends_at=may)],
        charges=["€10.00"],
        grants=[Given("subscription", BEGIN, may)],
        car=premium(until=may),
    )
    assert (
        page(german.car, "withdraw") not in sees_car(german.owner, german.car).html
    )  # A renewal is no new contract.


def test_a_year_is_withdrawn_from_on_its_third_day(german: Journey) -> None:
    end = at("2028-03-01 09:00")
    pay(german, YEARLY, "€100.00", end)
    german.goes_to(at("2027-03-03 09:00"))

    withdraw(german)

    # 364 of 366 days are left: €99.4535…
    german.expect(
        events=["withdrawn", fact("refunded", amount=9946), "subscription_canceled"],
        mails=["withdrawn", "refunded"],
        refunds=["€99.46"],
        grants=[Given("subscription", BEGIN, at("2027-03-03 09:00"))],
        car=STANDARD,
    )


def test_withdrawal_during_the_trial_has_nothing_to_refund(german: Journey) -> None:
    end = at("2027-03-31 00:00")
    trial = Given("trial", BEGIN, end)
    give(Gift(german.car.vehicle.id, "premium", "trial", BEGIN, end), now=BEGIN)
    german.world.settle()
    german.expect(
        events=[fact("grant_given", source="trial")],
        grants=[trial],
        car=premium(until=end, reason="trial"),
    )
    german.subscribes(MONTHLY)
    german.expect(
        events=["checkout_started", "grant_given", "subscription_trialing"],
        mails=["trial_started"],
        grants=[trial, Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )
    german.goes_to(at("2027-03-10 12:00"))

    withdraw(german)

    german.expect(
        events=["withdrawn", "subscription_canceled"],
        mails=["withdrawn"],
        grants=[trial, Given("subscription", BEGIN, at("2027-03-10 12:00"))],
        car=premium(until=end, reason="trial"),
    )
    assert "Mar 10, 2027, 12:00 UTC" in receipt(german)
    german.at_boundary(end, before="premium", after="standard")
    german.expect(car=STANDARD)


def test_withdrawal_counts_at_once_while_stripe_is_away(german: Journey) -> None:
    pay(german, MONTHLY, "€10.00", APRIL)
    german.goes_to(at("2027-03-08 09:00"))
    faults = german.world.sandbox.faults
    faults.plant("error", times=99, path="/v1/")

    withdraw(german)

    german.expect(
        events=["withdrawn"],
        mails=["withdrawn"],
        grants=[Given("subscription", BEGIN, at("2027-03-08 09:00"))],
        car=STANDARD,
    )
    assert "Mar 8, 2027, 09:00 UTC" in receipt(german)

    faults.clear()
    german.goes_to(at("2027-03-08 11:00"))
    # 24 of 31 days were left when it was declared: €7.7419…
    german.expect(
        events=[fact("refunded", amount=775), "subscription_canceled"],
        mails=["refunded"],
        refunds=["€7.75"],
    )


def test_a_car_of_the_american_market_is_not_withdrawn_from(journey: Journey) -> None:
    pay(journey, "premium_monthly_usd", "$10.00", APRIL)

    assert page(journey.car, "withdraw") not in sees_car(journey.owner, journey.car).html
    answer = presses_nevertheless(journey)

    assert "no contract for this car that you can withdraw from" in answer
    journey.expect()


def test_withdrawing_from_one_car_leaves_the_other(german: Journey) -> None:
    other = make_car(german.owner.user, market="FR")
    pay(german, MONTHLY, "€10.00", APRIL)
    german.owner.opens_checkout(other, MONTHLY)
    german.owner.pays()
    german.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["€10.00"],
    )
    german.goes_to(at("2027-03-08 09:00"))

    withdraw(german, other)

    german.expect(
        events=[
            fact("withdrawn", of=other),
            fact("refunded", of=other, amount=775),
            fact("subscription_canceled", of=other),
        ],
        mails=["withdrawn", "refunded"],
        refunds=["€7.75"],
    )
    assert german.teller.verdict(other) == STANDARD
