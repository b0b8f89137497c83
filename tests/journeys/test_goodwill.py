"""Days that staff give, and time that a repair adds: neither is ever charged for."""

from datetime import timedelta

import pytest

from billing.models import Grant, Subscription
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.staff import REASON, Staff
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
CALLED = at("2027-03-10 12:00")
GRACE, DRAFT, DAY = timedelta(days=7), timedelta(hours=1), timedelta(days=1)
PAID = Given("subscription", BEGIN, APRIL + GRACE)


@pytest.fixture
def staff(journey: Journey) -> Staff:
    """Somebody of Billing, who may give and move money."""
    return Staff(journey.world, "Billing")


def paying(journey: Journey) -> None:
    """The first month is paid, and it is the day of the call."""
    journey.subscribes(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[PAID],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(CALLED)


def gift_ends(journey: Journey, end, *grants: Given) -> None:
    """By time alone, at its very second."""
    journey.at_boundary(end, before="premium", after="standard")
    journey.expect(car=STANDARD, grants=list(grants))


def test_goodwill_from_now(journey: Journey, staff: Staff) -> None:
    end = BEGIN + 10 * DAY
    gift = Given("goodwill", BEGIN, end)
    assert "has Premium until" in staff.gives(journey.car, 10)
    journey.expect(
        events=[fact("grant_given", source="goodwill", until=end, reason=REASON, days=10)],
        mails=["goodwill"],
        grants=[gift],
        car=premium(until=end, reason="goodwill"),
    )
    gift_ends(journey, end, gift)


def test_goodwill_from_the_end_of_what_it_has(journey: Journey, staff: Staff) -> None:
    """After what is paid, not after its grace; so it is worth all of its days."""
    paying(journey)
    journey.cancels()
    journey.expect(
        events=["renewal_stopped", fact("grant_changed", ends_at=APRIL)],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    first, second = APRIL + 10 * DAY, APRIL + 15 * DAY
    staff.gives(journey.car, 10, begins="afterwards")
    gifts = [Given("subscription", BEGIN, APRIL), Given("goodwill", APRIL, first)]
    journey.expect(
        events=[fact("grant_given", until=first, source="goodwill")],
        mails=["goodwill"],
        grants=gifts,
    )
    staff.gives(journey.car, 5, begins="afterwards")
    gifts = [*gifts, Given("goodwill", first, second)]
    journey.expect(
        events=[fact("grant_given", until=second, source="goodwill")],
        mails=["goodwill"],
        grants=gifts,
    )

    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.expect(
        events=["subscription_canceled"],
        mails=["premium_ended"],
        car=premium(until=second, reason="goodwill"),
    )
    journey.at_boundary(first, before="premium", after="premium")
    journey.expect()
    gift_ends(journey, second, *gifts)


def test_goodwill_ended_early(journey: Journey, staff: Staff) -> None:
    """The gift ends at that second; what is paid stays."""
    paying(journey)
    staff.gives(journey.car, 90)
    end = CALLED + 90 * DAY
    journey.expect(
        events=[fact("grant_given", until=end)],
        mails=["goodwill"],
        grants=[PAID, Given("goodwill", CALLED, end)],
        car=premium(until=end, reason="goodwill"),
    )
    ended = CALLED + DAY
    journey.goes_to(ended)
    staff.ends(Grant.objects.get(source="goodwill"))
    journey.expect(
        events=[fact("grant_ended", source="goodwill", reason=REASON)],
        grants=[PAID, Given("goodwill", CALLED, ended)],
        car=premium(until=APRIL + GRACE),
    )
    assert not staff.offered(Grant.objects.get(source="subscription"), "end")


def test_goodwill_survives_that_staff_end_the_subscription(journey: Journey, staff: Staff) -> None:
    paying(journey)
    staff.gives(journey.car, 10)
    end = CALLED + 10 * DAY
    gift = Given("goodwill", CALLED, end)
    journey.expect(events=["grant_given"], mails=["goodwill"], grants=[PAID, gift])

    staff.cancels(Subscription.objects.get(), "unused")

    paid = Given("subscription", BEGIN, CALLED)
    journey.expect(
        events=["cancelled_now", fact("refunded", amount=706), "subscription_canceled"],
        mails=["cancelled_now", "refunded"],
        refunds=["$7.06"],
        grants=[paid, gift],
        car=premium(until=end, reason="goodwill"),
    )
    gift_ends(journey, end, paid, gift)


def test_goodwill_stays_with_the_car_when_it_is_sold(journey: Journey, staff: Staff) -> None:
    """A gift is the car's own: it survives the seller, and the buyer's mail says so."""
    staff.gives(journey.car, 30)
    end = BEGIN + 30 * DAY
    gift = Given("goodwill", BEGIN, end)
    journey.expect(
        events=["grant_given"],
        mails=["goodwill"],
        grants=[gift],
        car=premium(until=end, reason="goodwill"),
    )
    journey.goes_to(CALLED)
    journey.owner.releases(journey.car)
    journey.expect(events=["vehicle_released"], mails=["vehicle_released"])
    journey.meets("buyer").adds(journey.car)
    journey.expect(events=["vehicle_added"], mails=["vehicle_added to buyer"])
    gift_ends(journey, end, gift)


def extended(journey: Journey, staff: Staff, days: int, paid_through) -> None:
    """A repair: the paid time is longer, and nothing is charged or given back."""
    staff.extends(Subscription.objects.get(), days)
    journey.expect(
        events=[
            fact("extended", days=days, until=paid_through, reason=REASON),
            fact("grant_changed", ends_at=paid_through + GRACE),
            *(["subscription_trialing"] if days == 5 else []),
        ],
        mails=["extended"],
        grants=[Given("subscription", BEGIN, paid_through + GRACE)],
        car=premium(until=paid_through + GRACE),
    )


def test_repair_that_extends_the_period(journey: Journey, staff: Staff) -> None:
    """Two repairs add up: the next charge comes eight days later, for a whole month."""
    paying(journey)
    extended(journey, staff, 5, APRIL + 5 * DAY)
    journey.goes_to(CALLED + 3 * DAY)
    turn = APRIL + 8 * DAY
    extended(journey, staff, 3, turn)

    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.expect()
    journey.at_boundary(turn, before="premium", after="premium")
    journey.expect(events=["subscription_active"])
    journey.goes_to(turn + DRAFT)
    end = at("2027-05-09 09:00") + GRACE
    journey.expect(
        events=[fact("grant_changed", ends_at=end)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


def test_repair_of_one_that_is_ending(journey: Journey, staff: Staff) -> None:
    """It has no next charge that could be put off: the days are a gift after its end."""
    paying(journey)
    journey.cancels()
    paid = Given("subscription", BEGIN, APRIL)
    journey.expect(
        events=["renewal_stopped", fact("grant_changed", ends_at=APRIL)],
        mails=["cancel_scheduled"],
        grants=[paid],
        car=premium(until=APRIL),
    )
    assert "given as goodwill" in staff.extends(Subscription.objects.get(), 5)
    end = APRIL + 5 * DAY
    gift = Given("goodwill", APRIL, end)
    journey.expect(
        events=[fact("grant_given", source="goodwill", until=end)],
        mails=["goodwill"],
        grants=[paid, gift],
    )
    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.expect(
        events=["subscription_canceled"],
        mails=["premium_ended"],
        car=premium(until=end, reason="goodwill"),
    )
    gift_ends(journey, end, paid, gift)
