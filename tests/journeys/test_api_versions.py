"""Stripe's API gets a new version: events in it are parked and not misread, until we speak it."""

from datetime import timedelta

import pytest
from django.test import Client

from billing import gateway
from billing.models import StripeEvent
from connectivity import health
from tests.journeys.browsing import sees_car
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.staff import Staff
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
UPGRADED = at("2027-03-10 12:00")
GRACE, DRAFT, MINUTE = timedelta(days=7), timedelta(hours=1), timedelta(minutes=1)
NEW = "2027-03-01.fuchsia"


@pytest.fixture
def dashboard(journey: Journey) -> Dashboard:
    """Stripe's dashboard, where somebody has set the endpoint to the new version."""
    journey.has_subscribed(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(UPGRADED)
    dashboard = Dashboard(journey.world)
    dashboard.controls("settings", event_api_version=NEW)
    return dashboard


def ends(journey: Journey, dashboard: Dashboard) -> None:
    """The end is scheduled at Stripe; its event comes in the new version, and nothing changes."""
    dashboard.does(f"subscriptions/{dashboard.subscription()['id']}", cancel_at_period_end="true")
    journey.expect()
    [event] = StripeEvent.objects.filter(state="parked")
    assert (event.type, event.api_version) == ("customer.subscription.updated", NEW)
    assert "Next charge $10.00" in sees_car(journey.owner, journey.car).text


def is_read(journey: Journey, *before: str) -> None:
    """What the event is about was fetched, and what follows is told."""
    journey.expect(
        events=[
            *before,
            fact("renewal_stopped", paid_through=APRIL),
            fact("grant_changed", ends_at=APRIL),
        ],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    assert not StripeEvent.objects.filter(state="parked").exists()


def test_upgrade_of_a_stripe_api_version(
    journey: Journey, dashboard: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parked for days, shown as that; read by itself once our code speaks the version."""
    ends(journey, dashboard)
    journey.goes_to(UPGRADED + MINUTE)
    monkeypatch.setattr(health, "PATIENCE", 30.0)
    ready = Client().get("/readyz").json()
    assert (ready["status"], ready["stalled"][0]["what"]) == ("degraded", "parked")
    assert "another API version" in Staff(journey.world).reads("/admin/")
    journey.goes_to(UPGRADED + timedelta(days=3))
    journey.expect()

    monkeypatch.setattr(gateway, "API_VERSION", NEW)
    journey.world.settle()

    is_read(journey)
    assert Client().get("/readyz").json()["status"] == "ready"
    journey.at_boundary(APRIL, before="premium", after="standard")
    journey.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)


def test_staff_have_a_parked_event_read_again(journey: Journey, dashboard: Dashboard) -> None:
    """The subscription is fetched in the version that we speak, so nothing is misread."""
    ends(journey, dashboard)
    staff = Staff(journey.world, "Billing")

    staff.reads_again(StripeEvent.objects.get(state="parked"))

    is_read(journey, "event_read_again")


def test_a_renewal_in_another_version_is_not_believed(
    journey: Journey, dashboard: Dashboard
) -> None:
    """The one payload that is applied unfetched is parked too; the endpoint is set back in time."""
    journey.goes_to(APRIL + DRAFT)
    journey.expect(charges=["$10.00"])
    assert StripeEvent.objects.filter(type="invoice.paid", state="parked").count() == 1

    dashboard.controls("settings", event_api_version=gateway.API_VERSION)
    Staff(journey.world).reads_again(StripeEvent.objects.get(type="invoice.paid", state="parked"))
    journey.expect(
        events=["event_read_again", fact("grant_changed", ends_at=MAY + GRACE)],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )
