"""Two wishes for one subscription, or a wish and time: no charge that nobody wants any more."""

import copy

import pytest

from billing import offers, queries, revisions
from billing.models import CatalogRevision, Intent, Invoice
from tests.journeys.browsing import Visit, card, opens, sees_car, updates_card
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, YEARLY, Journey
from tests.journeys.people import FAILS_LATER, GOOD
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL = at("2027-03-01 09:00"), at("2027-04-01 09:00")
NEXT_YEAR = at("2028-03-01 09:00")
SHOWN = at("2027-03-10 12:00")
REFUSED = "sweep_failed: billing.gateway.client.StripeRefused"


def subscribed(journey: Journey, price: str, charge: str, until: str) -> Journey:
    journey.has_subscribed(price)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=[charge],
        grants=[Given("subscription", BEGIN, at(until))],
        car=premium(until=at(until)),
    )
    journey.goes_to(SHOWN)
    return journey


@pytest.fixture
def monthly(journey: Journey) -> Journey:
    """A journey whose first month is paid."""
    return subscribed(journey, MONTHLY, "$10.00", "2027-04-08 09:00")


def presses_yearly(journey: Journey) -> Visit:
    return sees_car(journey.owner, journey.car).follows("Switch to yearly")


def test_time_put_off_falls_with_the_payment_that_a_bank_took_back(journey: Journey) -> None:
    """Who puts the next charge off, and has the bank take the last one back, has nothing."""
    subscribed(journey, YEARLY, "$100.00", "2028-03-08 09:00")
    sees_car(journey.owner, journey.car).follows("Switch to monthly").presses("Switch")
    journey.expect(
        events=[fact("switch_scheduled", at=NEXT_YEAR), "subscription_trialing"],
        mails=["switch_scheduled"],
    )
    bank = Dashboard(journey.world)
    dispute = bank.disputes()
    journey.expect(
        events=[fact("grant_changed", ends_at=NEXT_YEAR), "dispute_opened"],
        mails=["dispute_opened"],
        grants=[Given("subscription", BEGIN, NEXT_YEAR)],
        car=premium(until=NEXT_YEAR),
    )

    bank.decides(dispute, "lost")

    journey.expect(
        events=[fact("grant_changed", ends_at=SHOWN), "dispute_lost", "subscription_canceled"],
        mails=["dispute_lost"],
        grants=[Given("subscription", BEGIN, SHOWN)],
        car=STANDARD,
    )


def test_a_price_that_is_another_one_by_now_is_shown_anew(monthly: Journey) -> None:
    shown = presses_yearly(monthly)
    newest = CatalogRevision.objects.order_by("-revision").first()
    assert newest is not None
    document = copy.deepcopy(newest.document)
    for price in document["prices"]:
        if price["lookup_key"] == YEARLY:
            price["unit_amount"] = 15_000
    revisions.publish(document, now=monthly.now)
    offers.sync(queries.catalog())
    monthly.expect(events=["catalog_published"])

    again = shown.presses("Pay $92.94 and switch")

    monthly.expect()
    assert "$150.00 per year plus tax" in again.text
    again.presses("Pay $142.94 and switch")
    end = at("2028-03-17 12:00")
    monthly.expect(
        events=[fact("switched", amount=14_294), fact("grant_changed", ends_at=end)],
        mails=["switched"],
        charges=["$142.94"],
        grants=[Given("subscription", BEGIN, end)],
        car=premium(until=end),
    )


@pytest.mark.parametrize(
    ("heard", "why"), [(True, "It is ending"), (False, "Its end was asked for")]
)
def test_a_switch_that_stripe_did_not_hear_is_not_made_after_a_cancel(
    monthly: Journey, heard: bool, why: str
) -> None:
    """Whether the cancel itself was heard at once, or waits for Stripe behind the switch."""
    faults = monthly.world.sandbox.faults
    shown = presses_yearly(monthly)
    faults.plant("error", times=999, method="POST", path="/v1/subscriptions/")
    shown.presses("Pay $92.94 and switch")
    if heard:
        faults.clear()
    monthly.cancels()
    faults.clear()
    monthly.goes_to(at("2027-03-10 13:00"))

    monthly.expect(
        events=[
            fact("renewal_stopped", paid_through=APRIL),
            fact("grant_changed", ends_at=APRIL),
        ],
        mails=["cancel_scheduled"],
        errors=[f"{REFUSED}: {why}: its price is not changed any more."],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    assert Intent.objects.get(kind="switch_price").answer == {"refused": "ending"}
    monthly.goes_to(at("2027-05-01 12:00"))
    monthly.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)


def test_what_is_paid_after_the_end_goes_back(monthly: Journey) -> None:
    """Stripe's page of an invoice that was left open still takes money for what has ended."""
    updates_card(monthly.owner, monthly.car, FAILS_LATER)
    monthly.goes_to(at("2027-04-02 12:00"))
    monthly.expect(
        events=["subscription_past_due", "payment_failed"],
        mails=["payment_failed"],
        charges=["$10.00 declined"],
    )
    monthly.cancels()
    monthly.expect(
        events=[
            fact("renewal_stopped", paid_through=""),
            fact("grant_changed", ends_at=APRIL),
            "subscription_canceled",
        ],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=STANDARD,
    )
    monthly.goes_to(at("2027-04-03 12:00"))

    left_open = opens(monthly.owner, Invoice.objects.get(status="open").hosted_url)
    left_open.presses("Pay invoice ($10.00)", **card(GOOD))

    monthly.expect(
        events=[fact("refunded", amount=1000, currency="usd")],
        mails=["refunded"],
        charges=["$10.00"],
        refunds=["$10.00"],
    )
    monthly.goes_to(at("2027-05-02 12:00"))
    monthly.expect()
