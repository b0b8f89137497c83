"""Month after month: what is charged when, and what the car has in between."""

from datetime import timedelta

from tests.journeys.journey import MONTHLY, YEARLY, Journey
from tests.journeys.people import page
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN = at("2027-03-01 09:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
TOLD_BEFORE = timedelta(days=30)  # A year's charge is told of, a month's is not.
LOOKED_FOR = timedelta(minutes=15)  # So often it is looked for whom to tell.
STARTED = ["checkout_started", "grant_given", "subscription_active"]


def subscribed(journey: Journey, price: str, charge: str, paid_through: str) -> None:
    """Begin with a paid period."""
    end = at(paid_through) + GRACE
    start = journey.now
    journey.has_subscribed(price)
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=[charge],
        grants=[Given("subscription", start, end)],
        car=premium(until=end),
    )


def renewed(journey: Journey, charge: str, turn: str, paid_through: str) -> None:
    """State a renewal: nothing at the turn of the period, all of it with the charge an hour on."""
    start, end = journey.teller.grants(journey.car)[0].starts, at(paid_through) + GRACE
    if charge == "$100.00":
        journey.goes_to(at(turn) - TOLD_BEFORE - LOOKED_FOR)
        journey.expect()
        journey.goes_to(at(turn) - TOLD_BEFORE)
        told = fact("renewal_ahead", charge_at=at(turn), amount=10000, interval="year")
        journey.expect(events=[told], mails=["renewal_ahead"])
    journey.at_boundary(at(turn), before="premium", after="premium")
    journey.expect()
    journey.at_boundary(at(turn) + DRAFT, before="premium", after="premium")
    journey.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=[charge],
        grants=[Given("subscription", start, end)],
        car=premium(until=end),
    )


def test_renewal_month_after_month(journey: Journey) -> None:
    subscribed(journey, MONTHLY, "$10.00", "2027-04-01 09:00")
    renewed(journey, "$10.00", "2027-04-01 09:00", "2027-05-01 09:00")
    renewed(journey, "$10.00", "2027-05-01 09:00", "2027-06-01 09:00")


def test_renewal_on_the_last_days_of_months(journey: Journey) -> None:
    journey.goes_to(at("2027-12-31 23:59"))
    subscribed(journey, MONTHLY, "$10.00", "2028-01-31 23:59")
    renewed(journey, "$10.00", "2028-01-31 23:59", "2028-02-29 23:59")
    renewed(journey, "$10.00", "2028-02-29 23:59", "2028-03-31 23:59")
    renewed(journey, "$10.00", "2028-03-31 23:59", "2028-04-30 23:59")


def test_renewal_year_after_year(journey: Journey) -> None:
    journey.goes_to(at("2028-02-29 12:00"))
    subscribed(journey, YEARLY, "$100.00", "2029-02-28 12:00")
    renewed(journey, "$100.00", "2029-02-28 12:00", "2030-02-28 12:00")


def test_renewal_an_hour_before_its_charge(journey: Journey) -> None:
    """Stripe has turned the period and says `active`, but nobody has paid for it yet."""
    subscribed(journey, MONTHLY, "$10.00", "2027-04-01 09:00")

    journey.goes_to(at("2027-04-01 09:30"))
    journey.expect()  # Premium by grace, until the eighth: the new period gives nothing.

    journey.goes_to(at("2027-04-01 10:00"))
    end = at("2027-05-01 09:00") + GRACE
    journey.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def test_cancelled_in_the_hour_before_the_charge_nothing_is_charged(journey: Journey) -> None:
    subscribed(journey, MONTHLY, "$10.00", "2027-04-01 09:00")
    journey.goes_to(at("2027-04-01 09:30"))

    journey.cancels()

    journey.expect(
        events=[
            fact("renewal_stopped", paid_through=""),
            fact("grant_changed", ends_at=at("2027-04-01 09:00")),
            "subscription_canceled",
        ],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, at("2027-04-01 09:00"))],
        car=STANDARD,
    )
    journey.goes_to(at("2027-05-02 09:00"))
    journey.expect()


def test_renewal_while_its_webhooks_come_a_day_late(journey: Journey) -> None:
    subscribed(journey, MONTHLY, "$10.00", "2027-04-01 09:00")
    journey.world.webhooks.hold()
    journey.goes_to(at("2027-04-02 09:00"))
    journey.expect(charges=["$10.00"])
    assert "Next charge" in journey.owner.sees(page(journey.car))

    journey.world.webhooks.flow()
    journey.world.settle()

    end = at("2027-05-01 09:00") + GRACE
    journey.expect(
        events=[fact("grant_changed", ends_at=end)],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )
