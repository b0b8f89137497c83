"""The owner's way out, and back in before the door has closed."""

from datetime import timedelta

import pytest

from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import page
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
GRACE = timedelta(days=7)


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
    journey.goes_to(at("2027-03-10 12:00"))
    return journey


def cancel(journey: Journey) -> None:
    """Cancel, and state it: what is paid stays, and no grace follows it."""
    shown = journey.cancels()
    journey.expect(
        events=[
            fact("renewal_stopped", paid_through=APRIL),
            fact("grant_changed", ends_at=APRIL),
        ],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    assert "Ends on" in shown


def keep(journey: Journey) -> None:
    """Undo it, and state that."""
    shown = journey.keeps()
    journey.expect(
        events=[
            fact("renewal_resumed", paid_through=APRIL),
            fact("grant_changed", ends_at=APRIL + GRACE),
        ],
        mails=["renewal_resumed"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    assert "Next charge $10.00" in shown


def test_cancel_at_period_end(paying: Journey) -> None:
    cancel(paying)

    paying.at_boundary(APRIL, before="premium", after="standard")
    paying.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)

    paying.goes_to(MAY)
    paying.expect()


def test_cancel_then_subscribe_again(paying: Journey) -> None:
    cancel(paying)
    paying.goes_to(APRIL + timedelta(days=1))
    paying.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)

    paying.subscribes()

    end = MAY + timedelta(days=1) + GRACE
    paying.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[
            Given("subscription", BEGIN, APRIL),
            Given("subscription", paying.now, end),
        ],
        car=premium(until=end),
    )


def test_undo_a_cancellation(paying: Journey) -> None:
    cancel(paying)
    keep(paying)

    paying.at_boundary(APRIL, before="premium", after="premium")
    paying.goes_to(APRIL + timedelta(hours=1))
    paying.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_undo_in_the_last_second(paying: Journey) -> None:
    cancel(paying)
    paying.goes_to(APRIL - timedelta(seconds=1))
    keep(paying)

    paying.at_boundary(APRIL, before="premium", after="premium")
    paying.expect()


def test_cancel_undo_and_cancel_again(paying: Journey) -> None:
    cancel(paying)
    keep(paying)
    cancel(paying)

    paying.at_boundary(APRIL, before="premium", after="standard")
    paying.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)


def test_after_the_end_there_is_nothing_to_undo(paying: Journey) -> None:
    cancel(paying)
    paying.world.webhooks.hold()
    paying.at_boundary(APRIL, before="premium", after="standard")

    with pytest.raises(AssertionError, match="Nothing to undo"):
        paying.keeps()
    answer = paying.owner.browser.post(page(paying.car, "keep"), follow=True)
    assert "no running subscription" in answer.content.decode()

    paying.world.webhooks.flow()
    paying.world.settle()
    paying.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)


def test_cancel_during_the_trial_costs_nothing(journey: Journey) -> None:
    end = at("2027-03-31 00:00")
    journey.comes_with("trial", until=end)
    journey.subscribes()
    trial = Given("trial", BEGIN, end)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_trialing"],
        mails=["trial_started"],
        grants=[trial, Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )

    journey.cancels()
    journey.expect(
        events=[fact("renewal_stopped", paid_through=end), fact("grant_changed", ends_at=end)],
        mails=["cancel_scheduled"],
        grants=[trial, Given("subscription", BEGIN, end)],
        car=premium(until=end, reason="trial"),
    )

    journey.at_boundary(end, before="premium", after="standard")
    journey.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)
    journey.goes_to(MAY)
    journey.expect()
