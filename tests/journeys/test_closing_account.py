"""An account is deleted: all it paid for ends, Stripe confirms, then the person is forgotten."""

from datetime import datetime, timedelta

import pytest
from django.core import mail

from billing import clock
from billing.grants import Gift, give
from billing.models import Customer, Invoice
from fleet.models import Ownership
from tests.factories import Car, make_car
from tests.journeys.browsing import opens
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.people import Person
from tests.journeys.telling import STANDARD, Given, Says, at, fact, premium

BEGIN, APRIL = at("2027-03-01 09:00"), at("2027-04-01 09:00")
CLOSED = at("2027-03-16 09:00")  # 16 of 31 days are left: $5.1613 of $10.00.
GRACE, MINUTE = timedelta(days=7), timedelta(minutes=1)
STARTED = ["checkout_started", "grant_given", "subscription_active"]


@pytest.fixture
def paying(journey: Journey) -> Journey:
    """A month is paid, and half of it is over."""
    journey.has_subscribed(MONTHLY)
    journey.expect(
        events=STARTED,
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(CLOSED)
    return journey


def closes(owner: Person) -> str:
    """Sign in once more, read what it means, and press the button that does it at once."""
    signs_in_again(owner)
    return opens(owner, "/accounts/close/").presses("Close it now, for good").text


def signs_in_again(owner: Person) -> None:
    """Show once more who one is."""
    session = owner.browser.session
    session["account_authentication_methods"] = [{"method": "code", "at": clock.wall()}]
    session["account_authentication_methods_user"] = str(owner.user.pk)
    session.save()


def given(journey: Journey, source: str, until: datetime | None) -> tuple[Car, Says]:
    """One more car, with Premium of its own; and what it is told."""
    car = make_car(journey.owner.user)
    give(Gift(car.vehicle.id, "premium", source, journey.now, until), now=journey.now)
    journey.world.settle()
    journey.expect(events=[fact("grant_given", of=car, source=source)])
    return car, premium(until=until, reason=source)


def workers_go_on(journey: Journey) -> None:
    """A few minutes in which the sweeps run as they do all the time."""
    for _ in range(4):
        journey.goes_to(journey.now + MINUTE)


def expect_forgotten(journey: Journey) -> None:
    """Nothing tells any more who it was, here or at Stripe; what the law keeps is kept."""
    person = journey.owner.user
    person.refresh_from_db()
    assert person.closed_at is not None
    assert person.email == f"{person.pk}@closed.invalid"
    assert not Ownership.objects.filter(owner=person, ends_at=None).exists()
    with journey.world.sandbox.store.reading() as tx:
        customers = [tx.get("customer", each.stripe_customer_id) for each in whose(journey)]
        assert all(each.get("deleted") for each in customers)
        assert {each["status"] for each in tx.select("subscription")} <= {"canceled"}
    assert Invoice.objects.filter(status="paid").count() == 1
    last = mail.outbox[-1]
    assert (last.subject, last.to) == ("Your account is closed", ["owner@example.com"])


def whose(journey: Journey) -> list[Customer]:
    """The owner's customers at Stripe."""
    return list(Customer.objects.filter(payer=journey.owner.user))


def test_account_deleted(paying: Journey) -> None:
    lifetime, for_life = given(paying, "factory", None)
    trial, free = given(paying, "trial", at("2027-04-15 00:00"))
    stranger = paying.meets("stranger")

    assert "Your account is being closed" in closes(paying.owner)
    workers_go_on(paying)

    paying.expect(
        events=[
            "account_closing",
            fact("seat_vacated", of=paying.car),
            fact("refunded", of=paying.car, amount=517),
            fact("subscription_canceled", of=paying.car),
            "account_closed",
            *(fact("vehicle_released", of=car) for car in (paying.car, lifetime, trial)),
        ],
        mails=forgotten("account_closing", "refunded", *["vehicle_released"] * 3, "account_closed"),
        refunds=["$5.17"],
        grants=[Given("subscription", BEGIN, CLOSED)],
        car=STANDARD,
    )
    expect_forgotten(paying)

    # What came with a car stays with the car, and goes with it to its next owner.
    assert paying.teller.verdict(lifetime) == for_life
    stranger.adds(lifetime)
    paying.expect(events=[fact("vehicle_added", of=lifetime)], mails=["vehicle_added to stranger"])
    paying.at_boundary(at("2027-04-15 00:00"), before="premium", after="standard", of=trial)
    assert free.until == paying.now
    assert paying.teller.verdict(lifetime) == for_life
    paying.goes_to(at("2027-05-02 09:00"))
    paying.expect()  # Nobody is charged, and nobody is written to.


def test_account_deleted_while_stripe_is_away(paying: Journey) -> None:
    faults = paying.world.sandbox.faults
    faults.plant("error", times=999, path="/v1/")

    closes(paying.owner)

    paying.expect(
        events=["account_closing", "seat_vacated", "vehicle_released"],
        mails=["account_closing", "vehicle_released"],
        grants=[Given("subscription", BEGIN, CLOSED)],
        car=STANDARD,
    )
    workers_go_on(paying)
    paying.expect()
    paying.owner.user.refresh_from_db()
    assert not paying.owner.user.is_active
    assert paying.owner.user.email == "owner@example.com"  # Mails are still to reach them.

    faults.clear()
    paying.goes_to(CLOSED + timedelta(hours=3))
    workers_go_on(paying)
    paying.expect(
        events=["subscription_canceled", fact("refunded", amount=517), "account_closed"],
        mails=forgotten("refunded", "account_closed"),
        refunds=["$5.17"],
    )
    expect_forgotten(paying)


def test_account_deleted_and_a_page_is_paid_meanwhile(journey: Journey) -> None:
    journey.owner.opens_checkout(journey.car, MONTHLY)
    journey.expect(events=["checkout_started"])
    faults = journey.world.sandbox.faults
    faults.plant("error", times=999, path="/v1/checkout/sessions/")
    page = journey.owner.at

    closes(journey.owner)

    journey.expect(
        events=["account_closing", "seat_vacated", "vehicle_released"],
        mails=["account_closing", "vehicle_released"],
    )
    journey.world.visit(page, PAID)
    workers_go_on(journey)
    journey.expect(
        events=[
            "subscription_lost_its_seat",
            "subscription_active",
            fact("refunded", amount=1000),
            "subscription_canceled",
        ],
        mails=["paid_for_nothing", "refunded"],
        charges=["$10.00"],
        refunds=["$10.00"],
    )
    journey.owner.user.refresh_from_db()
    assert journey.owner.user.closed_at is None  # What became of the page Stripe has not said.

    faults.clear()
    journey.goes_to(journey.now + timedelta(hours=2))
    workers_go_on(journey)
    journey.expect(events=["account_closed"], mails=forgotten("account_closed"))
    expect_forgotten(journey)


PAID = {
    "cardNumber": "4242424242424242",
    "cardExpiry": "12 / 49",
    "cardCvc": "123",
    "billingName": "Card Holder",
}


def forgotten(*templates: str) -> list[str]:
    """Mails that were sent, and whose address has been taken out of what we keep."""
    return [f"{template} to somebody forgotten" for template in templates]


def test_two_weeks_to_think_nothing_charged_and_all_still_there(paying: Journey) -> None:
    owner, ends = paying.owner, CLOSED + timedelta(days=14)

    shown = _asks(owner)

    assert "Your account closes in 14 days." in shown
    paying.expect(
        events=["renewal_stopped", "grant_changed", "account_close_asked"],
        mails=["cancel_scheduled", "account_close_asked"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    told = next(each for each in mail.outbox if each.subject == "Your account closes in 14 days")
    assert "It closes on Mar 30, 2027." in told.body
    paying.goes_to(ends - timedelta(seconds=1))
    paying.expect()

    kept = opens(owner, "/accounts/close/").presses("Keep my account").text

    assert "Your account stays." in kept
    paying.expect(events=["account_kept"], mails=["account_kept"])
    paying.goes_to(ends + timedelta(days=1))
    paying.expect()
    owner.user.refresh_from_db()
    assert owner.user.is_active


def test_after_two_weeks_it_closes_by_itself(journey: Journey) -> None:
    owner = journey.owner
    _asks(owner)
    journey.expect(events=["account_close_asked"], mails=["account_close_asked"])

    journey.goes_to(journey.now + timedelta(days=14))
    workers_go_on(journey)

    owner.user.refresh_from_db()
    assert owner.user.closed_at is not None
    journey.expect(
        events=["account_closing", "account_closed", "vehicle_released"],
        mails=[
            f"{name} to somebody forgotten"
            for name in ("account_closing", "vehicle_released", "account_closed")
        ],
    )


def _asks(owner: Person) -> str:
    signs_in_again(owner)
    return opens(owner, "/accounts/close/").presses("Close my account in 14 days").text
