"""From the offer to the first paid day: each way in."""

from datetime import timedelta

import pytest

from tests.factories import body
from tests.journeys.journey import MONTHLY, YEARLY, Journey
from tests.journeys.people import ASKS, DECLINED, page
from tests.journeys.telling import Fact, Given, at, fact, premium

BEGIN = at("2027-03-01 09:00")
APRIL = at("2027-04-01 09:00")
GRACE = timedelta(days=7)
TOLD_BEFORE, LOOKED_FOR = timedelta(days=8), timedelta(minutes=15)
PAID: list[str | Fact] = [fact("grant_given", source="subscription"), "subscription_active"]


def expect_paid(journey: Journey) -> None:
    """A first month was paid, and all that follows from it has followed."""
    journey.expect(
        events=PAID,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )


def test_subscribe_monthly(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    journey.expect(events=[fact("checkout_started", price=MONTHLY)])

    shown = journey.owner.pays()

    expect_paid(journey)
    assert "Next charge $10.00" in shown


def test_subscribe_yearly(journey: Journey) -> None:
    shown = journey.subscribes(YEARLY)

    end = at("2028-03-01 09:00") + GRACE
    journey.expect(
        events=[fact("checkout_started", price=YEARLY), *PAID],
        mails=["premium_started"],
        charges=["$100.00"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )
    assert "Next charge $100.00" in shown


def test_the_payment_page_runs_out_and_another_is_paid(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    journey.expect(events=["checkout_started"])

    journey.goes_to(BEGIN + timedelta(hours=1))
    journey.expect(events=["checkout_expired"])

    journey.subscribes()
    start, end = journey.now, APRIL + timedelta(hours=1) + GRACE
    journey.expect(
        events=["checkout_started", *PAID],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", start, end)],
        car=premium(until=end),
    )


@pytest.mark.parametrize(
    ("trial_ends", "first_charge", "month"),
    [
        ("2027-03-31 00:00", "2027-03-31 00:00", "2027-04-30 00:00"),
        ("2027-03-03 11:00", "2027-03-03 11:00", "2027-04-03 11:00"),
        # Stripe takes no trial of less than 48 hours: what is nearer is put off, never charged.
        ("2027-03-03 10:59", "2027-03-03 11:00", "2027-04-03 11:00"),
        ("2027-03-01 09:01", "2027-03-03 11:00", "2027-04-03 11:00"),
    ],
)
def test_during_the_factory_trial_the_first_charge_is_at_its_end(
    journey: Journey, trial_ends: str, first_charge: str, month: str
) -> None:
    free, end, paid = at(first_charge), at(trial_ends), at(month)
    journey.comes_with("trial", until=end)

    journey.subscribes()
    trial = Given("trial", BEGIN, end)
    journey.expect(
        events=[
            "checkout_started",
            fact("grant_given", source="subscription"),
            "subscription_trialing",
        ],
        mails=["trial_started"],
        grants=[trial, Given("subscription", BEGIN, free + GRACE)],
        car=premium(until=free + GRACE),
    )

    if free - TOLD_BEFORE > BEGIN:  # Who began later has read of it in the receipt.
        journey.goes_to(free - TOLD_BEFORE - LOOKED_FOR)
        journey.expect()
        journey.goes_to(free - TOLD_BEFORE)
        journey.expect(
            events=[fact("trial_ending", charge_at=free, amount=1000, currency="usd")],
            mails=["trial_ending"],
        )

    journey.at_boundary(end, before="premium", after="premium")
    if end < free:
        journey.expect()
        journey.at_boundary(free, before="premium", after="premium")
    journey.expect(events=["subscription_active"])

    journey.goes_to(free + timedelta(minutes=59, seconds=59))
    journey.expect()
    journey.goes_to(free + timedelta(hours=1))
    journey.expect(
        events=[fact("grant_changed", ends_at=paid + GRACE)],
        charges=["$10.00"],
        grants=[trial, Given("subscription", BEGIN, paid + GRACE)],
        car=premium(until=paid + GRACE),
    )


def test_three_d_secure_confirmed(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    assert "Do you confirm this payment?" in journey.owner.pays(ASKS)
    journey.expect(events=["checkout_started"])

    shown = journey.owner.confirms()

    expect_paid(journey)
    assert "Next charge $10.00" in shown


def test_three_d_secure_fails_then_another_card_pays(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    form = journey.owner.at
    journey.owner.pays(ASKS)
    assert "unable to authenticate" in journey.owner.refuses()
    # What the bank never let through is no charge that failed: there is no charge.
    journey.expect(events=["checkout_started"])

    journey.owner.at = form
    journey.owner.pays()

    expect_paid(journey)


def test_card_declined_at_first_then_paid(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    assert "Your card was declined." in journey.owner.pays(DECLINED)
    journey.expect(events=["checkout_started"], charges=["$10.00 declined"])
    assert "Continue payment" in journey.owner.sees(page(journey.car))

    journey.owner.pays()

    expect_paid(journey)


@pytest.mark.parametrize("lost", ["every webhook", "all but the last"])
def test_subscribe_while_webhooks_are_lost(journey: Journey, lost: str) -> None:
    journey.world.webhooks.hold()
    journey.subscribes()
    journey.expect(events=["checkout_started"], charges=["$10.00"])
    if lost == "all but the last":
        journey.world.webhooks.deliver(which=["checkout.session.completed"])
    journey.world.webhooks.drop()

    journey.goes_to(BEGIN + timedelta(seconds=5))  # So soon after a return Stripe is asked.

    journey.expect(
        events=PAID,
        mails=["premium_started"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )


def test_the_car_itself_says_that_it_has_it(journey: Journey) -> None:
    """Paid for is one truth, active in the car another: only its report makes it so."""
    journey.owner.opens_checkout(journey.car, MONTHLY)
    journey.expect(events=["checkout_started"])
    journey.owner.pays()
    expect_paid(journey)
    car, owner = journey.car, journey.owner
    assert "Active in your car" not in owner.sees(page(car))

    car.sign_in()
    assert body(car.check())["plan"] == "premium"
    assert "Active in your car" not in owner.sees(page(car))
    car.report()

    journey.expect(events=["delivery_applied"])
    assert "Active in your car since" in owner.sees(page(car))
