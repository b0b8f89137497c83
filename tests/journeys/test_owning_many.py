"""One owner, many cars: each stands alone."""

from datetime import timedelta

from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import ASKS_EACH_TIME
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
CARS = 30


def test_owner_with_30_cars_of_which_one_is_unpaid(journey: Journey) -> None:
    others = [journey.another_car() for _ in range(CARS - 1)]
    unpaid = journey.car
    journey.owner.opens_checkout(unpaid, MONTHLY)
    journey.owner.pays(ASKS_EACH_TIME)
    journey.owner.confirms()
    for car in others:
        journey.owner.opens_checkout(car, MONTHLY)
        journey.owner.pays()
    cars = [unpaid, *others]
    started = ["checkout_started", "grant_given", "subscription_active"]
    journey.expect(
        events=[fact(kind, of=car) for car in cars for kind in started],
        mails=["premium_started"] * CARS,
        charges=["$10.00"] * CARS,
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )

    journey.at_boundary(APRIL + DRAFT, before="premium", after="premium", of=unpaid)
    changed = [fact("grant_changed", of=car, ends_at=MAY + GRACE) for car in others]
    journey.expect(
        events=[
            fact("subscription_past_due", of=unpaid),
            fact("payment_failed", of=unpaid, amount=1000, currency="usd", action_required=True),
            *changed,
        ],
        mails=["payment_needs_confirmation"],
        charges=["$10.00"] * len(others),
    )
    for car in others:
        assert journey.teller.verdict(car) == premium(until=MAY + GRACE)

    journey.at_boundary(APRIL + GRACE, before="premium", after="standard", of=unpaid)
    for car in others:
        assert journey.teller.verdict(car) == premium(until=MAY + GRACE)
    journey.teller.news()  # How often the card was tried in these days is not this story.
    journey.expect(car=STANDARD)
