"""A car leaves service: what is paid for it ends, and it is told nothing; until it comes back."""

from datetime import timedelta

import pytest

from tests.factories import body
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import page
from tests.journeys.staff import REASON, Staff
from tests.journeys.telling import REFUSED, STANDARD, Given, at, fact, premium

BEGIN, APRIL = at("2027-03-01 09:00"), at("2027-04-01 09:00")
SCRAPPED, BACK = at("2027-03-10 12:00"), at("2027-03-20 15:00")
GRACE, DAY = timedelta(days=7), timedelta(days=1)


@pytest.fixture
def staff(journey: Journey) -> Staff:
    """A superuser: it takes Fleet to retire, and Support to give."""
    return Staff(journey.world)


def pay(journey: Journey) -> None:
    """The first month is paid, and it is the day on which the car is scrapped."""
    journey.subscribes(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(SCRAPPED)


def test_car_leaves_service_and_is_reinstated(journey: Journey, staff: Staff) -> None:
    pay(journey)
    journey.car.sign_in()
    assert "out of service" in staff.retires(journey.car)

    answer = journey.car.sign_in()
    assert (answer.status_code, body(answer)["error"]) == (400, "invalid_grant")
    paid = Given("subscription", BEGIN, SCRAPPED)
    journey.expect(
        events=[
            "seat_vacated",
            fact("refunded", amount=706),
            "subscription_canceled",
            fact("vehicle_retired", reason=REASON),
        ],
        mails=["refunded", "vehicle_retired"],
        refunds=["$7.06"],
        grants=[paid],
        car=REFUSED,
    )
    assert journey.owner.browser.get(page(journey.car)).status_code == 404
    journey.goes_to(BACK)
    journey.expect()

    staff.reinstates(journey.car)
    journey.expect(events=["vehicle_reinstated"], car=STANDARD)
    journey.owner.adds(journey.car)
    journey.expect(events=["vehicle_added"], mails=["vehicle_added"])
    journey.goes_to(APRIL + DAY)
    journey.expect()  # What was paid for has ended: nobody is charged.

    journey.subscribes(MONTHLY)
    again = Given("subscription", journey.now, at("2027-05-02 09:00") + GRACE)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[paid, again],
        car=premium(until=again.ends),
    )


def test_what_came_with_the_car_goes_on_for_what_was_left(journey: Journey, staff: Staff) -> None:
    staff.gives(journey.car, 40)
    end = BEGIN + 40 * DAY
    journey.expect(
        events=["grant_given"],
        mails=["goodwill"],
        grants=[Given("goodwill", BEGIN, end)],
        car=premium(until=end, reason="goodwill"),
    )
    journey.goes_to(SCRAPPED)
    staff.retires(journey.car)
    journey.expect(
        events=[fact("grant_ended", source="goodwill"), "vehicle_retired"],
        mails=["vehicle_retired"],
        grants=[Given("goodwill", BEGIN, SCRAPPED)],
        car=REFUSED,
    )

    journey.goes_to(BACK)
    staff.reinstates(journey.car)

    gifts = [Given("goodwill", BEGIN, SCRAPPED), Given("goodwill", BACK, end)]
    journey.expect(
        events=[fact("grant_given", source="goodwill"), "vehicle_reinstated"],
        grants=gifts,
        car=premium(until=end, reason="goodwill"),
    )
    journey.at_boundary(end, before="premium", after="standard")
    journey.expect(car=STANDARD)
