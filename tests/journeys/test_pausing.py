"""A subscription rests: what is paid stays, then Standard, and Premium again once it is paid."""

from datetime import datetime, timedelta

import pytest

from tests.journeys.browsing import card, letter, link_in, opens, sees_car, updates_card
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import FAILS_LATER, GOOD
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
PAUSED = at("2027-03-10 12:00")
RESUMED = at("2027-04-20 15:00")
AGAIN = at("2027-05-20 15:00")  # A month from the resumption.
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
# Stripe gives back what was not used unless it is told not to; who paid keeps their time then.
KEEPING = {"bill_for[unused_time_from][type]": "none"}


@pytest.fixture
def paying(journey: Journey) -> Journey:
    """A journey whose first month is paid."""
    journey.has_subscribed(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(PAUSED)
    return journey


@pytest.fixture
def dashboard(paying: Journey) -> Dashboard:
    """Stripe's dashboard."""
    return Dashboard(paying.world)


def pause(journey: Journey, dashboard: Dashboard) -> None:
    """It is paused: what is paid stays, and no grace follows it."""
    dashboard.pauses(**KEEPING)
    journey.expect(
        events=[fact("grant_changed", ends_at=APRIL), "subscription_paused"],
        mails=["premium_paused"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )


def goes_to_standard(journey: Journey) -> None:
    """The paid time ends, and a month later nothing has been charged."""
    journey.at_boundary(APRIL, before="premium", after="standard")
    journey.expect(car=STANDARD)
    journey.goes_to(RESUMED)
    journey.expect()


def expect_premium_again(journey: Journey, *, until: datetime, charge: str = "$10.00") -> None:
    """It was charged and goes on."""
    journey.expect(
        events=[fact("grant_changed", ends_at=until + GRACE), "subscription_active"],
        mails=["premium_resumed"],
        charges=[charge],
        grants=[Given("subscription", BEGIN, until + GRACE)],
        car=premium(until=until + GRACE),
    )


def test_pause_and_resume(paying: Journey, dashboard: Dashboard) -> None:
    pause(paying, dashboard)
    assert "paused" in sees_car(paying.owner, paying.car).text.lower()
    goes_to_standard(paying)

    dashboard.resumes(payment_behavior="resume_on_payment_success")

    expect_premium_again(paying, until=AGAIN)
    paying.at_boundary(AGAIN, before="premium", after="premium")
    paying.expect()
    paying.goes_to(AGAIN + DRAFT)
    june = at("2027-06-20 15:00") + GRACE
    paying.expect(
        events=[fact("grant_changed", ends_at=june)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, june)],
        car=premium(until=june),
    )


def test_resume_within_the_paid_time_goes_on_as_before(
    paying: Journey, dashboard: Dashboard
) -> None:
    pause(paying, dashboard)
    paying.goes_to(at("2027-03-20 12:00"))
    keeping = {"billing_cycle_anchor[type]": "unchanged"}
    dashboard.resumes(**keeping)
    paying.expect(
        events=[fact("grant_changed", ends_at=APRIL + GRACE), "subscription_active"],
        mails=["premium_resumed"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    paying.goes_to(APRIL + DRAFT)
    paying.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_resume_whose_card_is_declined(paying: Journey, dashboard: Dashboard) -> None:
    """Nothing is paid, so there is nothing to give; paying the invoice brings Premium back."""
    updates_card(paying.owner, paying.car, FAILS_LATER)
    pause(paying, dashboard)
    goes_to_standard(paying)

    dashboard.resumes(payment_behavior="resume_on_payment_success")

    paying.expect(
        events=[fact("payment_failed", amount=1000, retry_at="", access_until=APRIL)],
        mails=["payment_failed_last"],
        charges=["$10.00 declined"],
    )
    assert dashboard.subscription()["status"] == "paused"
    paying.goes_to(RESUMED + timedelta(hours=3))
    pay = opens(paying.owner, link_in(letter(paying.owner), "/i/"))
    pay.presses("Pay invoice ($10.00)", **card(GOOD))
    expect_premium_again(paying, until=AGAIN)


def test_resume_that_nobody_pays_for_stays_paused(paying: Journey, dashboard: Dashboard) -> None:
    updates_card(paying.owner, paying.car, FAILS_LATER)
    pause(paying, dashboard)
    goes_to_standard(paying)
    dashboard.resumes(payment_behavior="resume_on_payment_success")
    paying.expect(
        events=["payment_failed"], mails=["payment_failed_last"], charges=["$10.00 declined"]
    )

    paying.goes_to(RESUMED + timedelta(days=30))

    paying.expect()
    assert dashboard.subscription()["status"] == "paused"


def test_pause_and_resume_by_the_portal(paying: Journey, dashboard: Dashboard) -> None:
    """Stripe's page gives back what is left: the time is not paid any more."""
    portal = sees_car(paying.owner, paying.car).presses("Card and payments")

    portal.presses("Pause")

    paying.expect(
        events=[fact("grant_changed", ends_at=PAUSED), "subscription_paused"],
        mails=["premium_paused"],
        grants=[Given("subscription", BEGIN, PAUSED)],
        car=STANDARD,
    )
    paying.goes_to(RESUMED)
    paying.expect()
    portal = sees_car(paying.owner, paying.car).presses("Card and payments")
    portal.presses("Resume")
    # $2.94: what was given back is left out. Who pays that has Premium again.
    paying.expect(
        events=[fact("payment_failed", amount=294, attempts=0, retry_at="")],
        mails=["payment_to_resume"],
    )
    assert "once $2.94 are paid" in letter(paying.owner)
    assert link_in(letter(paying.owner), "/i/")
    portal = sees_car(paying.owner, paying.car).presses("Card and payments")
    portal.follows("Pay invoice").presses("Pay invoice ($2.94)", **card(GOOD))
    expect_premium_again(paying, charge="$2.94", until=AGAIN)


@pytest.fixture
def credited(paying: Journey) -> Journey:
    """Paused on Stripe's page, with $7.06 of credit for an invoice to come."""
    sees_car(paying.owner, paying.car).presses("Card and payments").presses("Pause")
    paying.expect(
        events=[fact("grant_changed", ends_at=PAUSED), "subscription_paused"],
        mails=["premium_paused"],
        grants=[Given("subscription", BEGIN, PAUSED)],
        car=STANDARD,
    )
    paying.goes_to(RESUMED)
    return paying


def test_a_car_is_sold_during_the_pause(credited: Journey) -> None:
    """No invoice will use the credit, so it goes back to the card."""
    credited.owner.releases(credited.car)

    credited.expect(
        events=[
            "seat_vacated",
            fact("refunded", amount=706),
            "subscription_canceled",
            "vehicle_released",
        ],
        mails=["refunded", "vehicle_released"],
        refunds=["$7.06"],
    )


def test_it_is_ended_at_stripe_during_the_pause(credited: Journey, dashboard: Dashboard) -> None:
    """Nobody here has asked for the end, but nobody is to lose the credit by it."""
    dashboard.cancels()

    credited.expect(
        events=["subscription_canceled", fact("refunded", amount=706)],
        mails=["premium_ended", "refunded"],
        refunds=["$7.06"],
    )
    credited.goes_to(RESUMED + timedelta(days=9))
    credited.expect()
