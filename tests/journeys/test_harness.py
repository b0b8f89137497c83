"""The language of the journeys itself: what is not stated fails, and says what it was."""

from typing import Any

import pytest

from tests.journeys.journey import Journey
from tests.journeys.orders import permutations, with_one_twice
from tests.journeys.telling import Fact, Given, at, fact, premium

BEGIN, GRACE_ENDS = at("2027-03-01 09:00"), at("2027-04-08 09:00")
STARTED: list[str | Fact] = [
    "checkout_started",
    fact("grant_given", source="subscription"),
    "subscription_active",
]


def told(journey: Journey, **stated) -> str:
    """What a step says that is not as stated."""
    journey.has_subscribed()
    right: dict[str, Any] = {
        "events": STARTED,
        "mails": ["premium_started"],
        "charges": ["$10.00"],
        "grants": [Given("subscription", BEGIN, GRACE_ENDS)],
        "car": premium(until=GRACE_ENDS),
    }
    with pytest.raises(AssertionError) as failed:
        journey.expect(**{**right, **stated})
    return str(failed.value)


@pytest.mark.parametrize(
    ("stated", "line"),
    [
        ({"events": STARTED[:2]}, "+ subscription_active("),
        ({"events": [*STARTED, "refunded"]}, "- refunded()"),
        ({"events": ["checkout_started", *reversed(STARTED[1:])]}, "- grant_given("),
        ({"events": [STARTED[0], fact("grant_given", source="trial"), STARTED[2]]}, "source=trial"),
        ({"mails": []}, "+ premium_started to owner"),
        ({"charges": ["$10.00", "$10.00"]}, "- $10.00"),
        ({"refunds": ["$10.00"]}, "- $10.00"),
        ({"grants": None}, "+ subscription: 2027-03-01 09:00 to 2027-04-08 09:00"),
        ({"car": None}, "- standard by none until None"),
        ({"car": premium(until=at("2027-04-08 09:01"))}, "until 2027-04-08 09:01"),
    ],
)
def test_what_is_not_as_stated_fails_the_step(journey: Journey, stated, line: str) -> None:
    assert line in told(journey, **stated)


def test_a_boundary_is_tried_at_both_sides(journey: Journey) -> None:
    told(journey, car=None)

    with pytest.raises(AssertionError, match="a second before"):
        journey.at_boundary(at("2027-03-02 09:00"), before="standard", after="premium")
    with pytest.raises(AssertionError, match="at the instant"):
        journey.at_boundary(at("2027-03-03 09:00"), before="premium", after="standard")


def test_held_webhooks_come_when_they_are_delivered(journey: Journey) -> None:
    journey.world.webhooks.hold()
    journey.subscribes()
    journey.expect(events=["checkout_started"], charges=["$10.00"])

    assert journey.world.webhooks.drop(["charge.succeeded"]) == 1
    journey.world.webhooks.flow()
    journey.world.settle()

    journey.expect(
        events=STARTED[1:],
        mails=["premium_started"],
        grants=[Given("subscription", BEGIN, GRACE_ENDS)],
        car=premium(until=GRACE_ENDS),
    )


def test_orders() -> None:
    assert len(set(permutations("abc"))) == 6
    assert len(set(with_one_twice("abc"))) == len(list(with_one_twice("abc"))) == 36
