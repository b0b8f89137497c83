"""From monthly to yearly and back: what is shown first is what is charged, to the cent."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.journeys.browsing import Visit, card, letter, sees_car, updates_card
from tests.journeys.journey import MONTHLY, SECOND, YEARLY, Journey
from tests.journeys.people import ASKS_EACH_TIME, FAILS_LATER, GOOD
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL = at("2027-03-01 09:00"), at("2027-04-01 09:00")
SHOWN = at("2027-03-10 12:00")
GRACE, DRAFT, HOUR = timedelta(days=7), timedelta(hours=1), timedelta(hours=1)
TO_YEARLY: dict[str, Any] = {"from": MONTHLY, "to": YEARLY}
TO_MONTHLY: dict[str, Any] = {"from": YEARLY, "to": MONTHLY}
# 21 days and 21 hours of March are left of 31 days for $10: that is $7.06.
PAY, DUE, CREDIT = "Pay $92.94 and switch", "$92.94", "$7.06"


def subscribed(journey: Journey, price: str, charge: str, paid_through: datetime) -> None:
    """Begin with a paid period, and go on to the tenth of March."""
    journey.has_subscribed(price)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=[charge],
        grants=[Given("subscription", BEGIN, paid_through + GRACE)],
        car=premium(until=paid_through + GRACE),
    )
    journey.goes_to(SHOWN)


@pytest.fixture
def monthly(journey: Journey) -> Journey:
    """A journey whose first month is paid."""
    subscribed(journey, MONTHLY, "$10.00", APRIL)
    return journey


@pytest.fixture
def yearly(journey: Journey) -> Journey:
    """A journey whose first year is paid."""
    subscribed(journey, YEARLY, "$100.00", at("2028-03-01 09:00"))
    return journey


def shown(journey: Journey, period: str = "yearly") -> Visit:
    """The page that says what the other period costs."""
    return sees_car(journey.owner, journey.car).follows(f"Switch to {period}")


def expect_yearly(journey: Journey, charge: str, *, since: datetime, amount: int) -> None:
    """A year was paid, from then on."""
    end = since.replace(year=since.year + 1) + GRACE
    journey.expect(
        events=[
            fact("switched", amount=amount, currency="usd", **TO_YEARLY),
            fact("grant_changed", ends_at=end),
        ],
        mails=["switched"],
        charges=[charge],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def expect_paid_later(journey: Journey) -> None:
    """The payment came after all: Premium at once, and within a minute the rest is told."""
    end = SHOWN.replace(year=2028) + GRACE
    journey.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=[DUE],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )
    assert "Next charge $100.00" in sees_car(journey.owner, journey.car).text
    journey.goes_to(journey.now + timedelta(minutes=1))
    journey.expect(
        events=[fact("switched", amount=9294, currency="usd", **TO_YEARLY)], mails=["switched"]
    )
    assert f"{DUE} were charged now." in letter(journey.owner)


def test_switch_from_monthly_to_yearly(monthly: Journey) -> None:
    offer = shown(monthly)
    for words in ("$100.00 per year plus tax", CREDIT, f"Charged now {DUE}", "Mar 10, 2028"):
        assert words in offer.text
    monthly.expect()

    after = offer.presses(PAY)

    expect_yearly(monthly, DUE, since=SHOWN, amount=9294)
    assert "Switched." in after.text
    assert "Next charge $100.00 plus tax on Mar 10, 2028" in after.text
    told = letter(monthly.owner)
    assert f"{DUE} were charged now." in told
    assert "The next charge is on Mar 10, 2028." in told

    turn = at("2028-03-10 12:00")
    monthly.goes_to(APRIL + GRACE)  # The month that was given back ends: nothing happens.
    monthly.expect()
    monthly.goes_to(turn - timedelta(days=30))
    monthly.expect(
        events=[fact("renewal_ahead", charge_at=turn, amount=10000)], mails=["renewal_ahead"]
    )
    monthly.at_boundary(turn, before="premium", after="premium")
    monthly.expect()
    monthly.at_boundary(turn + DRAFT, before="premium", after="premium")
    end = at("2029-03-10 12:00") + GRACE
    monthly.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=["$100.00"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def test_what_was_shown_is_charged_within_the_hour(monthly: Journey) -> None:
    offer = shown(monthly)
    monthly.goes_to(SHOWN + HOUR)

    offer.presses(PAY)

    expect_yearly(monthly, DUE, since=SHOWN + HOUR, amount=9294)


def test_an_amount_that_was_shown_too_long_ago_is_shown_anew(monthly: Journey) -> None:
    offer = shown(monthly)
    late = SHOWN + HOUR + SECOND
    monthly.goes_to(late)

    anew = offer.presses(PAY)

    monthly.expect()
    assert "The amount was shown too long ago." in anew.text
    assert "Charged now $92.96" in anew.text  # An hour and a second later less is left.
    anew.presses("Pay $92.96 and switch")
    expect_yearly(monthly, "$92.96", since=late, amount=9296)


def test_the_button_is_pressed_twice_and_in_two_tabs(monthly: Journey) -> None:
    one_tab = shown(monthly)
    monthly.goes_to(SHOWN + SECOND)
    other_tab = shown(monthly)

    one_tab.presses(PAY)
    again = one_tab.presses(PAY)
    in_the_other = other_tab.presses(PAY)

    expect_yearly(monthly, DUE, since=SHOWN + SECOND, amount=9294)
    assert "Next charge $100.00" in again.text
    assert "Next charge $100.00" in in_the_other.text


def declined(journey: Journey, number: str) -> Visit:
    """Have another card pay, and try to switch with it: nothing but the page tells of it."""
    updates_card(journey.owner, journey.car, number)
    journey.expect()
    failed = shown(journey).presses(PAY)
    journey.expect(charges=[f"{DUE} declined"] if number == FAILS_LATER else [])
    assert "Nothing has changed: your subscription goes on as it was." in failed.text
    assert "Next charge $10.00 plus tax on Apr 1" in sees_car(journey.owner, journey.car).text
    return failed


def test_declined_then_the_card_is_updated_and_it_works(monthly: Journey) -> None:
    failed = declined(monthly, FAILS_LATER)

    failed.presses("Update card").presses("Save card", **card(GOOD))

    expect_paid_later(monthly)


def test_declined_then_paid_on_the_invoice_page(monthly: Journey) -> None:
    failed = declined(monthly, FAILS_LATER)
    monthly.goes_to(SHOWN + HOUR)

    failed.follows("Pay or confirm").presses(f"Pay invoice ({DUE})", **card(GOOD))

    expect_paid_later(monthly)


def test_the_bank_asks_and_is_answered(monthly: Journey) -> None:
    # The bank asks when the card is to be kept, and again when it is charged.
    kept = sees_car(monthly.owner, monthly.car).presses("Card and payments")
    kept.presses("Save card", **card(ASKS_EACH_TIME)).presses("Confirm")
    monthly.expect()
    failed = shown(monthly).presses(PAY)
    monthly.expect()
    assert "your bank asks you to confirm" in failed.text

    failed.follows("Pay or confirm").follows("Your bank asks").presses("Confirm")

    expect_paid_later(monthly)


def test_declined_and_let_be_it_goes_on_by_the_month(monthly: Journey) -> None:
    declined(monthly, FAILS_LATER)

    monthly.goes_to(SHOWN + timedelta(hours=23))  # Stripe lets it be.
    monthly.expect()
    updates_card(monthly.owner, monthly.car, GOOD)
    monthly.expect()

    monthly.goes_to(APRIL + DRAFT)
    end = at("2027-05-01 09:00") + GRACE
    monthly.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def switch_at_the_end(journey: Journey, period: str, end: datetime, **prices: Any) -> Visit:
    """Switch without a charge: the other period begins when the paid one ends."""
    offer = shown(journey, period)
    assert "Charged now Nothing" in offer.text
    after = offer.presses("Switch")
    assert "Switched." in after.text
    journey.expect(
        events=[
            fact("switch_scheduled", at=end, **prices),
            *(["subscription_trialing"] if period == "monthly" else []),
        ],
        mails=["switch_scheduled"],
    )
    return after


def test_switch_from_yearly_to_monthly(yearly: Journey) -> None:
    end = at("2028-03-01 09:00")

    after = switch_at_the_end(yearly, "monthly", end, **TO_MONTHLY)

    for told in (after, sees_car(yearly.owner, yearly.car)):
        assert "Subscription Active Next charge $10.00 plus tax on Mar 1, 2028" in told.text
        assert "Trial" not in told.text
    assert "From Mar 1, 2028 on you pay $10.00 per month" in letter(yearly.owner)

    yearly.at_boundary(end, before="premium", after="premium")
    yearly.expect(events=["subscription_active"])
    yearly.at_boundary(end + DRAFT, before="premium", after="premium")
    paid = at("2028-04-01 09:00") + GRACE
    yearly.expect(
        events=[fact("grant_changed", ends_at=paid)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, paid)],
        car=premium(until=paid),
    )


def test_switch_to_monthly_and_back_before_it_begins(yearly: Journey) -> None:
    end = at("2028-03-01 09:00")
    switch_at_the_end(yearly, "monthly", end, **TO_MONTHLY)
    yearly.goes_to(at("2027-06-01 12:00"))

    switch_at_the_end(yearly, "yearly", end, **TO_YEARLY)

    yearly.goes_to(end - timedelta(days=30))
    yearly.expect(
        events=[fact("renewal_ahead", charge_at=end, amount=10000)], mails=["renewal_ahead"]
    )
    yearly.goes_to(end)
    yearly.expect(events=["subscription_active"])
    yearly.at_boundary(end + DRAFT, before="premium", after="premium")
    paid = at("2029-03-01 09:00") + GRACE
    yearly.expect(
        events=[fact("grant_changed", ends_at=paid)],
        charges=["$100.00"],
        grants=[Given("subscription", BEGIN, paid)],
        car=premium(until=paid),
    )


def test_switch_to_monthly_then_cancel(yearly: Journey) -> None:
    end = at("2028-03-01 09:00")
    switch_at_the_end(yearly, "monthly", end, **TO_MONTHLY)

    yearly.cancels()
    yearly.expect(
        events=[fact("renewal_stopped", paid_through=end), fact("grant_changed", ends_at=end)],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )

    yearly.at_boundary(end, before="premium", after="standard")
    yearly.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)
