"""A renewal that is not paid: tried again, confirmed, paid after all, or given up."""

from datetime import datetime, timedelta

import pytest

from tests.journeys.browsing import card, letter, link_in, opens, sees_car, updates_card
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import ASKS_EACH_TIME, FAILS_LATER, GOOD
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
FIRST, SECOND = at("2027-04-01 10:00"), at("2027-04-04 10:00")
THIRD, LAST = at("2027-04-09 10:00"), at("2027-04-16 10:00")
OVER = APRIL + GRACE
IN_GRACE = [Given("subscription", BEGIN, OVER)]
STARTED = ["checkout_started", "grant_given", "subscription_active"]


@pytest.fixture
def failing(journey: Journey) -> Journey:
    """A month is paid, and the card that is to pay the next one will be declined."""
    journey.has_subscribed(MONTHLY)
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=IN_GRACE,
        car=premium(until=OVER),
    )
    updates_card(journey.owner, journey.car, FAILS_LATER)
    journey.expect()
    return journey


@pytest.fixture
def asked(journey: Journey) -> Journey:
    """A month is paid with a card whose bank asks at each charge."""
    journey.owner.opens_checkout(journey.car, MONTHLY)
    journey.owner.pays(ASKS_EACH_TIME)
    journey.owner.confirms()
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=IN_GRACE,
        car=premium(until=OVER),
    )
    return journey


def setting(journey: Journey, **chosen: str) -> None:
    """What the account's owner sets in Stripe's dashboard."""
    assert journey.world.visit("/sandbox/stripe/settings", chosen).status_code == 200


def fails_first(journey: Journey) -> None:
    """The renewal is declined; the car keeps what it has."""
    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.expect()
    journey.at_boundary(FIRST, before="premium", after="premium")
    journey.expect(
        events=[
            "subscription_past_due",
            fact(
                "payment_failed",
                amount=1000,
                currency="usd",
                retry_at=SECOND,
                access_until=OVER,
                action_required=False,
            ),
        ],
        mails=["payment_failed"],
        charges=["$10.00 declined"],
    )
    told = letter(journey.owner)
    assert "We could not charge $10.00" in told
    assert "We try again on Apr 4, 2027." in told
    assert "Premium stays on until Apr 8, 2027" in told
    shown = sees_car(journey.owner, journey.car).text
    assert "Payment failed We try the card again on Apr 4, 2027." in shown
    assert "Premium stays on until Apr 8, 2027." in shown


def fails_again(
    journey: Journey, instant: datetime, *, retry_at: datetime, plan: str = "premium"
) -> None:
    """Tried again in vain."""
    journey.at_boundary(instant, before=plan, after=plan)
    journey.expect(
        events=[fact("payment_failed", retry_at=retry_at, access_until=OVER)],
        mails=["payment_failed"],
        charges=["$10.00 declined"],
    )


def grace_ends(journey: Journey) -> None:
    """Seven days after the paid time time alone takes Premium from the car."""
    journey.at_boundary(OVER, before="premium", after="standard")
    journey.expect(car=STANDARD)


def expect_recovered(journey: Journey) -> None:
    """The month is paid after all."""
    journey.expect(
        events=[
            fact("grant_changed", ends_at=MAY + GRACE),
            fact("subscription_active", before="past_due"),
            "payment_recovered",
        ],
        mails=["payment_recovered"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )
    shown = sees_car(journey.owner, journey.car).text
    assert "Active Next charge $10.00 plus tax on May 1, 2027" in shown


def renews_in_may(journey: Journey) -> None:
    """The next month is charged as if nothing had been."""
    end = at("2027-06-01 09:00") + GRACE
    journey.at_boundary(MAY + DRAFT, before="premium", after="premium")
    journey.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def test_renewal_fails_is_retried_and_recovers(failing: Journey) -> None:
    fails_first(failing)
    failing.goes_to(at("2027-04-02 18:00"))
    mend_card(failing)

    failing.at_boundary(SECOND, before="premium", after="premium")

    expect_recovered(failing)
    renews_in_may(failing)


def mend_card(journey: Journey) -> None:
    """The bank has mended what was wrong with the card: the next charge goes through."""
    store = journey.world.sandbox.store
    with store.writing() as tx:
        for subscription in tx.select("subscription", "1", []):
            tx.save_private(subscription["default_payment_method"], {})


def test_renewal_fails_and_the_open_invoice_is_paid(failing: Journey) -> None:
    fails_first(failing)
    failing.goes_to(at("2027-04-02 18:00"))

    mailed = opens(failing.owner, link_in(letter(failing.owner), "/i/"))
    mailed.presses("Pay invoice ($10.00)", **card(GOOD))

    expect_recovered(failing)
    failing.goes_to(MAY)
    failing.expect()  # It is not tried once more in April.


def test_renewal_recovers_after_the_grace(failing: Journey) -> None:
    fails_first(failing)
    fails_again(failing, SECOND, retry_at=THIRD)
    grace_ends(failing)
    fails_again(failing, THIRD, retry_at=LAST, plan="standard")
    assert "the car has Standard Connectivity" in letter(failing.owner)
    shown = sees_car(failing.owner, failing.car)
    assert "What was paid ended on Apr 8, 2027. We try the card again on Apr 16" in shown.text

    shown.follows("Pay the open invoice").presses("Pay invoice ($10.00)", **card(GOOD))

    expect_recovered(failing)


def gives_up(journey: Journey) -> None:
    """Three retries in vain, the grace over on the way; the last is not asserted yet."""
    fails_first(journey)
    fails_again(journey, SECOND, retry_at=THIRD)
    grace_ends(journey)
    fails_again(journey, THIRD, retry_at=LAST, plan="standard")
    journey.at_boundary(LAST, before="standard", after="standard")


def test_renewal_fails_for_good_then_paying_again(failing: Journey) -> None:
    gives_up(failing)
    ended = [Given("subscription", BEGIN, APRIL)]  # Nobody paid for the grace.
    failing.expect(
        events=[
            fact("grant_changed", ends_at=APRIL),
            fact("subscription_canceled", before="past_due"),
            fact("payment_failed", retry_at=""),
        ],
        mails=["premium_ended"],
        charges=["$10.00 declined"],
        grants=ended,
    )
    assert "because it was not paid" in letter(failing.owner)
    assert "Ended on" in sees_car(failing.owner, failing.car).text
    failing.goes_to(at("2027-05-20 12:00"))
    failing.expect()

    failing.subscribes()

    end = at("2027-06-20 12:00") + GRACE
    failing.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[*ended, Given("subscription", failing.now, end)],
        car=premium(until=end),
    )


def test_fails_for_good_unpaid_then_the_invoice_is_paid(failing: Journey) -> None:
    setting(failing, after_retries="unpaid")
    gives_up(failing)
    failing.expect(
        events=[
            fact("grant_changed", ends_at=APRIL),
            fact("subscription_unpaid", before="past_due"),
            fact("payment_failed", retry_at=""),
        ],
        mails=["payment_failed_last"],
        charges=["$10.00 declined"],
        grants=[Given("subscription", BEGIN, APRIL)],
    )
    shown = sees_car(failing.owner, failing.car)
    assert "Pay the open invoice of $10.00 to switch Premium back on." in shown.text

    shown.follows("Pay now").presses("Pay invoice ($10.00)", **card(GOOD))

    failing.expect(
        events=[
            fact("grant_changed", ends_at=MAY + GRACE),
            fact("subscription_active", before="unpaid"),
            "payment_recovered",
        ],
        mails=["payment_recovered"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_fails_for_good_and_stays_past_due_then_paid(failing: Journey) -> None:
    setting(failing, after_retries="past_due")
    gives_up(failing)
    failing.expect(
        events=[fact("payment_failed", retry_at="", access_until=OVER)],
        mails=["payment_failed_last"],
        charges=["$10.00 declined"],
    )
    shown = sees_car(failing.owner, failing.car)
    assert "What was paid ended on Apr 8, 2027. Update your card, or pay" in shown.text

    shown.follows("Pay the open invoice").presses("Pay invoice ($10.00)", **card(GOOD))

    expect_recovered(failing)


def expect_question(journey: Journey, *, retry_at: datetime, first: bool = False) -> None:
    """The bank waits for its cardholder, who is told where to answer."""
    journey.expect(
        events=[
            *(["subscription_past_due"] if first else []),
            fact(
                "payment_failed",
                amount=1000,
                retry_at=retry_at,
                access_until=OVER,
                action_required=True,
            ),
        ],
        mails=["payment_needs_confirmation"],
    )
    assert "Your bank wants you to confirm the payment of $10.00" in letter(journey.owner)


def test_three_d_secure_at_renewal_is_confirmed(asked: Journey) -> None:
    asked.at_boundary(FIRST, before="premium", after="premium")
    expect_question(asked, retry_at=SECOND, first=True)
    asked.goes_to(at("2027-04-02 18:00"))

    mailed = opens(asked.owner, link_in(letter(asked.owner), "/i/"))
    mailed.follows("Your bank asks").presses("Confirm")

    expect_recovered(asked)
    asked.goes_to(MAY)
    asked.expect()


def test_three_d_secure_at_renewal_is_refused(asked: Journey) -> None:
    asked.at_boundary(FIRST, before="premium", after="premium")
    expect_question(asked, retry_at=SECOND, first=True)

    mailed = opens(asked.owner, link_in(letter(asked.owner), "/i/"))
    refused = mailed.follows("Your bank asks").presses("Refuse")

    assert "unable to authenticate" in refused.text
    asked.expect()  # Who has refused knows it; what was never let through is no charge.
    asked.at_boundary(SECOND, before="premium", after="premium")
    expect_question(asked, retry_at=THIRD)
    asked.at_boundary(OVER, before="premium", after="standard")
    asked.expect(car=STANDARD)

    refused.presses("Pay invoice ($10.00)", **card(GOOD))
    expect_recovered(asked)
