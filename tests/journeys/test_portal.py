"""Stripe's own pages: what is done there is known here, told, and can be undone on either side."""

from datetime import timedelta

import pytest

from tests.journeys.browsing import Visit, card, letter, opens, sees_car, updates_card
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import ASKS, DECLINED, FAILS_LATER, GOOD
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
GRACE, DRAFT, MINUTE = timedelta(days=7), timedelta(hours=1), timedelta(minutes=1)


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


@pytest.fixture(params=["at", "flag"])
def either(paying: Journey, request: pytest.FixtureRequest) -> Journey:
    """… where the portal sets an instant, or the flag as in classic billing."""
    chosen = {"portal_cancel": request.param}
    assert paying.world.visit("/sandbox/stripe/settings", chosen).status_code == 200
    return paying


def portal(journey: Journey) -> Visit:
    """Stripe's pages, by the way that the car's page shows."""
    return sees_car(journey.owner, journey.car).presses("Card and payments")


def expect_ending(journey: Journey) -> None:
    """It ends with what is paid, and its payer has it in writing."""
    journey.expect(
        events=[fact("renewal_stopped", paid_through=APRIL), fact("grant_changed", ends_at=APRIL)],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    assert "Apr 1, 2027" in letter(journey.owner)
    assert "Ends on Apr 1, 2027" in sees_car(journey.owner, journey.car).text
    journey.goes_to(journey.now + MINUTE)


def expect_kept(journey: Journey) -> None:
    """It renews as before, and its payer has it in writing."""
    end = APRIL + GRACE
    journey.expect(
        events=[fact("renewal_resumed", paid_through=APRIL), fact("grant_changed", ends_at=end)],
        mails=["renewal_resumed"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )
    assert "Next charge $10.00" in sees_car(journey.owner, journey.car).text
    journey.goes_to(journey.now + MINUTE)


def expect_renewed(journey: Journey) -> None:
    """April is paid."""
    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.expect()
    journey.at_boundary(APRIL + DRAFT, before="premium", after="premium")
    journey.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_cancel_in_the_portal(either: Journey) -> None:
    after = portal(either).presses("Cancel subscription")

    assert "Do not cancel" in after.text
    expect_ending(either)
    either.at_boundary(APRIL, before="premium", after="standard")
    either.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)
    either.goes_to(MAY)
    either.expect()


def test_cancel_and_resume_in_the_portal(either: Journey) -> None:
    visit = portal(either).presses("Cancel subscription")
    expect_ending(either)

    visit = visit.presses("Do not cancel")
    expect_kept(either)

    visit.presses("Cancel subscription")
    expect_ending(either)
    portal(either).presses("Do not cancel")
    expect_kept(either)
    expect_renewed(either)


def test_cancel_in_the_portal_and_keep_it_on_the_cars_page(either: Journey) -> None:
    portal(either).presses("Cancel subscription")
    expect_ending(either)

    either.keeps()

    expect_kept(either)
    expect_renewed(either)


def test_cancel_on_the_cars_page_and_keep_it_in_the_portal(either: Journey) -> None:
    either.cancels()
    expect_ending(either)

    visit = portal(either)
    assert "Ends on" in visit.text
    visit.presses("Do not cancel")

    expect_kept(either)
    expect_renewed(either)


def test_cancelled_in_the_portal_while_webhooks_are_late(paying: Journey) -> None:
    paying.world.webhooks.hold()
    portal(paying).presses("Cancel subscription")
    paying.expect()
    paying.goes_to(paying.now + timedelta(hours=5))

    paying.cancels()  # The page does not show it yet, so the owner cancels there as well.

    expect_ending(paying)
    paying.world.webhooks.flow()
    paying.world.settle()
    paying.expect()


def past_due(journey: Journey) -> None:
    """The renewal is declined, and a day passes."""
    updates_card(journey.owner, journey.car, FAILS_LATER)
    declined(journey)
    journey.goes_to(at("2027-04-02 18:00"))


def declined(journey: Journey) -> None:
    """The renewal is declined."""
    journey.expect()
    journey.goes_to(APRIL + DRAFT)
    journey.expect(
        events=[
            "subscription_past_due",
            fact("payment_failed", retry_at=at("2027-04-04 10:00"), access_until=APRIL + GRACE),
        ],
        mails=["payment_failed"],
        charges=["$10.00 declined"],
    )


def expect_recovered(journey: Journey) -> None:
    """April is paid after all."""
    journey.expect(
        events=[
            fact("grant_changed", ends_at=MAY + GRACE),
            "subscription_active",
            "payment_recovered",
        ],
        mails=["payment_recovered"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_another_card_pays_at_once_what_is_due(paying: Journey) -> None:
    past_due(paying)

    shown = sees_car(paying.owner, paying.car)
    back = shown.presses("Update card").presses("Save card", **card(GOOD))

    expect_recovered(paying)
    assert "Active Next charge $10.00 plus tax on May 1, 2027, Visa •4242." in back.text
    paying.goes_to(MAY + DRAFT)
    end = at("2027-06-01 09:00") + GRACE
    paying.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def test_a_card_that_is_no_better_changes_nothing(paying: Journey) -> None:
    past_due(paying)
    form = sees_car(paying.owner, paying.car).presses("Update card")

    refused = form.presses("Save card", **card(DECLINED))
    assert "Your card was declined." in refused.text
    paying.expect()
    asked = refused.presses("Save card", **card(ASKS))
    assert "unable to authenticate" in asked.presses("Refuse").text
    paying.expect()

    form.presses("Save card", **card(ASKS)).presses("Confirm")
    expect_recovered(paying)


@pytest.fixture
def owing(paying: Journey) -> Journey:
    """Cancelled in the portal just after the renewal was declined, on a page from before."""
    updates_card(paying.owner, paying.car, FAILS_LATER)
    paying.goes_to(APRIL + DRAFT / 2)
    visit = portal(paying)
    declined(paying)
    visit.presses("Cancel subscription")
    paying.expect(
        events=[fact("renewal_stopped", paid_through=APRIL), fact("grant_changed", ends_at=APRIL)],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=STANDARD,
    )
    shown = sees_car(paying.owner, paying.car).text
    assert "What was paid ended on Apr 1, 2027. We try the card again on Apr 4, 2027" in shown
    return paying


def test_cancelled_in_the_portal_while_a_payment_is_missing_then_ended(owing: Journey) -> None:
    owing.goes_to(at("2027-04-02 18:00"))

    shown = owing.cancels()

    owing.expect(
        events=[fact("renewal_stopped", paid_through=""), "subscription_canceled"],
        mails=["cancel_scheduled"],
    )
    assert "Ended on" in shown
    assert "your card is not tried again" in letter(owing.owner)
    owing.goes_to(at("2027-06-01 09:00"))
    owing.expect()


def test_cancelled_in_the_portal_while_a_payment_is_missing_then_paid(owing: Journey) -> None:
    back = updates_card(owing.owner, owing.car, GOOD)

    owing.expect(
        events=[
            fact("grant_changed", ends_at=MAY),
            "subscription_active",
            "payment_recovered",
        ],
        mails=["payment_recovered"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY)],
        car=premium(until=MAY),
    )
    assert "Ends on May 1, 2027" in back.text
    owing.at_boundary(MAY, before="premium", after="standard")
    owing.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)


def test_a_cancellation_during_the_factory_trial(journey: Journey) -> None:
    """By the portal, during the car's own trial: nothing is ever charged, and that trial stays."""
    end = at("2027-03-31 00:00")
    trial = Given("trial", BEGIN, end)
    journey.comes_with("trial", until=end)
    journey.subscribes()
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_trialing"],
        mails=["trial_started"],
        grants=[trial, Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )

    portal(journey).presses("Cancel subscription")

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
    invoices = opens(journey.owner, "/billing/invoices/").text
    assert "$0.00" in invoices
    assert "$10.00" not in invoices
