"""From the offer to the first paid day: each way in."""

from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.telling import Given, at, fact, premium

BEGIN = at("2027-03-01 09:00")


def test_subscribe_monthly(journey: Journey) -> None:
    journey.subscribes(MONTHLY)

    grace = at("2027-04-08 09:00")
    journey.expect(
        events=[
            fact("checkout_started", price=MONTHLY),
            fact("grant_given", source="subscription"),
            "subscription_active",
        ],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, grace)],
        car=premium(until=grace),
    )
