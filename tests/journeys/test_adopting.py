"""A subscription that staff made in Stripe's dashboard: it pays for no car until it is adopted."""

from datetime import timedelta

import pytest

from billing import reconcile
from billing.models import Customer, Finding, Grant, Seat, Subscription
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.staff import REASON, Staff
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
ADOPTED = at("2027-03-10 12:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)


def leaks(journey: Journey) -> list[str]:
    """What a reconciliation that only compares finds now."""
    run = reconcile.begin(repairs=False, now=journey.now)
    while reconcile.step(run, reconcile.Pace(lambda: journey.now)):
        pass
    return sorted(Finding.objects.filter(reconciliation=run).values_list("kind", flat=True))


@pytest.fixture
def made(journey: Journey) -> Subscription:
    """One that was made by hand, for a customer of theirs, and pays from the first of March."""
    Dashboard(journey.world).subscribes("owner@example.com")
    journey.expect(events=["subscription_active"], charges=["$10.00"])
    return Subscription.objects.get()


@pytest.fixture
def staff(journey: Journey) -> Staff:
    """Somebody who may adopt."""
    return Staff(journey.world, "Billing")


def test_made_by_staff_in_stripes_dashboard(
    journey: Journey, made: Subscription, staff: Staff
) -> None:
    assert (made.subject_id, made.checkout_id, made.status) == (None, None, "active")
    assert not Seat.objects.exists()
    assert not Grant.objects.exists()
    assert "paying_without_a_car" in leaks(journey)

    journey.goes_to(ADOPTED)
    staff.adopts(made, journey.car, "owner@example.com")

    journey.expect(
        events=[
            fact("subscription_adopted", of=journey.car, reason=REASON),
            fact("grant_given", of=journey.car, source="subscription"),
        ],
        mails=["subscription_adopted"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    assert Customer.objects.get().payer == journey.owner.user
    assert leaks(journey) == []

    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.goes_to(APRIL + DRAFT)
    journey.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )
    journey.cancels()  # Its payer ends it like one of their own.
    journey.expect(
        events=["renewal_stopped", fact("grant_changed", ends_at=MAY)],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, MAY)],
        car=premium(until=MAY),
    )
    journey.at_boundary(MAY, before="premium", after="standard")
    journey.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)


def test_adopting_is_refused_where_the_seat_is_taken(
    journey: Journey, made: Subscription, staff: Staff
) -> None:
    journey.subscribes(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )

    shown = staff.adopts(made, journey.car, "owner@example.com")

    assert "Somebody has a subscription for this car already." in shown
    journey.expect()
    made.refresh_from_db()
    assert (made.subject_id, made.adopted_at) == (None, None)


def test_adopting_is_refused_for_somebody_elses_car(
    journey: Journey, made: Subscription, staff: Staff
) -> None:
    stranger = journey.meets("stranger")
    shown = staff.adopts(made, journey.car, str(stranger.user.email))
    assert "not in this person" in shown
    journey.expect()


def test_metadata_is_not_trusted(journey: Journey) -> None:
    """Whoever can write metadata at Stripe cannot give a car anything by it."""
    dashboard = Dashboard(journey.world)
    made = dashboard.subscribes("owner@example.com")
    dashboard.does(
        f"subscriptions/{made['id']}",
        **{
            "metadata[subject_id]": str(journey.car.vehicle.id),
            "metadata[subject]": str(journey.car.vehicle.id),
        },
    )
    journey.expect(events=["subscription_active"], charges=["$10.00"])
    assert not Seat.objects.exists()
