"""With a promotion code: the pages name what the invoices take, until the full price is back."""

from datetime import datetime, timedelta
from typing import Any

from billing.gateway import client
from tests.journeys.browsing import Visit, card, opens, sees_car
from tests.journeys.journey import MONTHLY, YEARLY, Journey
from tests.journeys.people import GOOD
from tests.journeys.telling import Given, at, fact, premium

BEGIN = at("2027-03-01 09:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)


def hand_out(code: str, **chosen: Any) -> None:
    """What marketing does in Stripe's dashboard: a coupon, and a code for it."""
    terms: Any = {"name": "Spring", **chosen}
    coupon = client.api().v1.coupons.create(terms)
    promotion: Any = {"type": "coupon", "coupon": coupon.id}
    client.api().v1.promotion_codes.create({"promotion": promotion, "code": code})


def goes_to_pay(journey: Journey, price: str = MONTHLY) -> Visit:
    """Come to the payment page."""
    journey.owner.opens_checkout(journey.car, price)
    journey.expect(events=[fact("checkout_started", price=price)])
    return opens(journey.owner, journey.owner.at)


def expect_first(journey: Journey, charges: list[str], end: datetime) -> None:
    """The first period is paid."""
    journey.expect(
        events=[fact("grant_given", source="subscription"), "subscription_active"],
        mails=["premium_started"],
        charges=charges,
        grants=[Given("subscription", journey.now, end + GRACE)],
        car=premium(until=end + GRACE),
    )


def expect_next(journey: Journey, charge: str, turn: datetime, end: datetime) -> None:
    """The next period is paid when its turn has come."""
    journey.at_boundary(turn, before="premium", after="premium")
    journey.expect()
    journey.at_boundary(turn + DRAFT, before="premium", after="premium")
    journey.expect(
        events=[fact("grant_changed", ends_at=end + GRACE)],
        charges=[charge],
        grants=[Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )


def test_a_quarter_off_for_three_months(journey: Journey) -> None:
    hand_out("SPRING", percent_off=25, duration="repeating", duration_in_months=3)
    paying = goes_to_pay(journey)
    assert "Due today $10.00" in paying.text

    paying = paying.presses("Apply", code="spring")

    assert "Discount SPRING −$2.50" in paying.text
    assert "Due today $7.50" in paying.text
    journey.expect()
    back = paying.presses("Subscribe", **card(GOOD))

    expect_first(journey, ["$7.50"], at("2027-04-01 09:00"))
    discounted = "Next charge $7.50 plus tax on {day}, Visa •4242, instead of $10.00."
    assert discounted.format(day="Apr 1, 2027") in back.text
    assert "The discount lasts until Jun 1, 2027." in back.text
    expect_next(journey, "$7.50", at("2027-04-01 09:00"), at("2027-05-01 09:00"))
    assert discounted.format(day="May 1, 2027") in sees_car(journey.owner, journey.car).text
    expect_next(journey, "$7.50", at("2027-05-01 09:00"), at("2027-06-01 09:00"))
    shown = sees_car(journey.owner, journey.car).text
    assert "Next charge $10.00 plus tax on Jun 1, 2027, Visa •4242." in shown
    expect_next(journey, "$10.00", at("2027-06-01 09:00"), at("2027-07-01 09:00"))

    invoices = opens(journey.owner, "/billing/invoices/").text
    assert invoices.count("$7.50") == 3
    assert invoices.count("$10.00") == 1


def test_a_wrong_code_and_a_code_that_is_over(journey: Journey) -> None:
    until = int((BEGIN + timedelta(minutes=5)).timestamp())
    hand_out("WINTER", percent_off=50, duration="forever", redeem_by=until)
    paying = goes_to_pay(journey)
    journey.goes_to(BEGIN + timedelta(minutes=5))

    refused = paying.presses("Apply", code="SPRUNG")
    assert "This code is invalid." in refused.text
    refused = refused.presses("Apply", code="WINTER")
    assert "This code has expired." in refused.text
    assert "Due today $10.00" in refused.text
    journey.expect()

    refused.presses("Subscribe", **card(GOOD))
    expect_first(journey, ["$10.00"], journey.now.replace(month=4))


def test_a_code_is_taken_back_before_paying(journey: Journey) -> None:
    hand_out("SPRING", percent_off=25, duration="forever")
    paying = goes_to_pay(journey).presses("Apply", code="SPRING").presses("Remove code")
    assert "Due today $10.00" in paying.text

    paying.presses("Subscribe", **card(GOOD))

    expect_first(journey, ["$10.00"], at("2027-04-01 09:00"))
    expect_next(journey, "$10.00", at("2027-04-01 09:00"), at("2027-05-01 09:00"))


def test_the_first_month_for_nothing(journey: Journey) -> None:
    hand_out("FREE", percent_off=100, duration="once")
    paying = goes_to_pay(journey).presses("Apply", code="FREE")
    assert "Due today $0.00" in paying.text

    back = paying.presses("Subscribe", **card(GOOD))

    expect_first(journey, [], at("2027-04-01 09:00"))
    assert "Active Next charge $10.00 plus tax on Apr 1, 2027, Visa •4242." in back.text
    expect_next(journey, "$10.00", at("2027-04-01 09:00"), at("2027-05-01 09:00"))


def test_nothing_to_pay_for_ever(journey: Journey) -> None:
    hand_out("FAMILY", percent_off=100, duration="forever")

    back = goes_to_pay(journey).presses("Apply", code="FAMILY").presses("Subscribe", **card(GOOD))

    expect_first(journey, [], at("2027-04-01 09:00"))
    assert "Next charge $0.00 plus tax on Apr 1, 2027, Visa •4242, instead of $10.00." in back.text
    journey.goes_to(at("2027-04-01 10:00"))
    end = at("2027-05-01 09:00") + GRACE
    journey.expect(
        events=[fact("grant_changed", ends_at=end)],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def test_ten_dollars_off_a_year_told_of_in_time(journey: Journey) -> None:
    hand_out("TEN", amount_off=1000, currency="usd", duration="forever")

    paying = goes_to_pay(journey, YEARLY).presses("Apply", code="TEN")
    assert "Due today $90.00" in paying.text
    paying.presses("Subscribe", **card(GOOD))

    year = at("2028-03-01 09:00")
    expect_first(journey, ["$90.00"], year)
    journey.goes_to(year - timedelta(days=30))
    journey.expect(
        events=[fact("renewal_ahead", charge_at=year, amount=9000)], mails=["renewal_ahead"]
    )
    expect_next(journey, "$90.00", year, at("2029-03-01 09:00"))
