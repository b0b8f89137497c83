"""Staff end what is paid for, or pay back: each to the cent, each told once."""

from datetime import datetime, timedelta

import pytest

from billing.models import Invoice, Subscription
from tests.journeys.browsing import sees_car
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, SECOND, Journey
from tests.journeys.staff import REASON, Staff
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
CALLED = at("2027-03-10 12:00")  # 525 of 744 hours are left: $7.0564… of $10.00
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)


@pytest.fixture
def paying(journey: Journey) -> Journey:
    """A journey whose first month is paid, on the day of the call."""
    journey.has_subscribed(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(CALLED)
    return journey


@pytest.fixture
def staff(paying: Journey) -> Staff:
    """Somebody who may move money."""
    return Staff(paying.world, "Billing")


def renewed(journey: Journey) -> None:
    """State that the next month is charged as if nothing had happened."""
    journey.at_boundary(APRIL, before="premium", after="premium")
    journey.expect()
    journey.goes_to(APRIL + DRAFT)
    journey.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


@pytest.mark.parametrize(
    ("how", "refunds"), [("none", []), ("unused", ["$7.06"]), ("full", ["$10.00"])]
)
def test_cancel_now_with_a_refund_by_staff(
    paying: Journey, staff: Staff, how: str, refunds: list[str]
) -> None:
    shown = staff.cancels(Subscription.objects.get(), how)

    assert "The subscription has ended." in shown
    given_back = [fact("refunded", amount=int(each[1:].replace(".", ""))) for each in refunds]
    paying.expect(
        events=[
            fact("cancelled_now", reason=REASON, refund=how),
            *given_back,
            "subscription_canceled",
        ],
        mails=["cancelled_now", *(["refunded"] if refunds else [])],
        refunds=refunds,
        grants=[Given("subscription", BEGIN, CALLED)],
        car=STANDARD,
    )
    assert not staff.offered(Subscription.objects.get(), "cancel_now")

    paying.goes_to(MAY)
    paying.expect()  # Nobody is charged any more, and nothing more is given back.


def test_cancel_now_ends_at_the_second(paying: Journey, staff: Staff) -> None:
    subscription = Subscription.objects.get()
    paying.goes_to(APRIL - SECOND)
    staff.cancels(subscription, "unused")

    paying.expect(  # A second of 31 days is left: a cent, in the payer's favour.
        events=["cancelled_now", fact("refunded", amount=1), "subscription_canceled"],
        mails=["cancelled_now", "refunded"],
        refunds=["$0.01"],
        grants=[Given("subscription", BEGIN, APRIL - SECOND)],
        car=STANDARD,
    )
    paying.at_boundary(APRIL, before="standard", after="standard")


def test_cancel_now_of_one_that_is_ending_already(paying: Journey, staff: Staff) -> None:
    paying.cancels()
    paying.expect(
        events=["renewal_stopped", fact("grant_changed", ends_at=APRIL)],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )

    staff.cancels(Subscription.objects.get(), "unused")

    paying.expect(
        events=["cancelled_now", fact("refunded", amount=706), "subscription_canceled"],
        mails=["cancelled_now", "refunded"],
        refunds=["$7.06"],
        grants=[Given("subscription", BEGIN, CALLED)],
        car=STANDARD,
    )


def switched(journey: Journey) -> datetime:
    """Pay a year with $92.94 and what was left of the month; return the end of that year."""
    offer = sees_car(journey.owner, journey.car).follows("Switch to yearly")
    offer.presses("Pay $92.94 and switch")
    end = CALLED.replace(year=2028)
    journey.expect(
        events=[
            fact("switched", amount=9294, currency="usd"),
            fact("grant_changed", ends_at=end + GRACE),
        ],
        mails=["switched"],
        charges=["$92.94"],
        grants=[Given("subscription", BEGIN, end + GRACE)],
        car=premium(until=end + GRACE),
    )
    return end


@pytest.mark.parametrize(
    ("how", "refunds"),
    [
        ("none", []),
        # 182 of 366 days are left: of the $92.94 that were charged then, and of the $7.06 of the
        # first month that paid the rest; each goes back to the payment that it came from.
        ("unused", ["$46.22", "$3.52"]),
        ("full", ["$92.94"]),
    ],
)
def test_cancel_now_after_a_switch_to_yearly(
    paying: Journey, staff: Staff, how: str, refunds: list[str]
) -> None:
    switched(paying)
    autumn = at("2027-09-10 12:00")
    paying.goes_to(autumn)

    staff.cancels(Subscription.objects.get(), how)

    total = sum(int(each[1:].replace(".", "")) for each in refunds)
    paying.expect(
        events=[
            fact("cancelled_now", refund=how),
            *([fact("refunded", amount=total)] if total else []),
            "subscription_canceled",
        ],
        mails=["cancelled_now", *(["refunded"] if total else [])],
        refunds=refunds,
        grants=[Given("subscription", BEGIN, autumn)],
        car=STANDARD,
    )
    paying.goes_to(at("2028-03-11 12:00"))
    paying.expect()


def test_refund_without_cancel(paying: Journey, staff: Staff) -> None:
    """A month in which something went wrong costs less; Premium stays, and goes on."""
    shown = staff.refunds(Invoice.objects.get(), "4.50")

    assert "$4.50 goes back to the card." in shown
    paying.expect(
        events=[fact("refunded", amount=450, currency="usd", reason=REASON)],
        mails=["refunded_kept"],
        refunds=["$4.50"],
    )
    assert "$5.50 can go back" in staff.asked("refund", Invoice.objects.get())
    renewed(paying)


def test_refund_of_all_without_cancel(paying: Journey, staff: Staff) -> None:
    staff.refunds(Invoice.objects.get(), "10.00")
    paying.expect(
        events=[fact("refunded", amount=1000)], mails=["refunded_kept"], refunds=["$10.00"]
    )

    assert "Not that much is left" in staff.refunds(Invoice.objects.get(), "0.01")
    paying.expect()
    renewed(paying)


def test_refund_in_parts_and_then_the_end(paying: Journey, staff: Staff) -> None:
    """What went back before is left out of what goes back at the end."""
    staff.refunds(Invoice.objects.get(), "4.50")
    paying.expect(events=[fact("refunded", amount=450)], mails=["refunded_kept"], refunds=["$4.50"])

    staff.cancels(Subscription.objects.get(), "unused")

    paying.expect(
        events=["cancelled_now", fact("refunded", amount=550), "subscription_canceled"],
        mails=["cancelled_now", "refunded"],
        refunds=["$5.50"],
        grants=[Given("subscription", BEGIN, CALLED)],
        car=STANDARD,
    )


def test_refund_made_in_stripes_dashboard(paying: Journey, staff: Staff) -> None:
    """It is mirrored and told once, however often it is heard of; Premium stays."""
    dashboard = Dashboard(paying.world)
    dashboard.refunds(300)
    paying.expect(
        events=[fact("refunded", amount=300, currency="usd", reason="")],
        mails=["refunded_kept"],
        refunds=["$3.00"],
    )
    assert Invoice.objects.get().amount_refunded == 300
    assert "Not that much is left" in staff.refunds(Invoice.objects.get(), "7.01")

    paying.world.webhooks.hold()
    dashboard.refunds(200)
    paying.world.webhooks.deliver(order=lambda each: list(reversed(each)), times=2)
    paying.world.webhooks.flow()
    paying.world.settle()
    paying.expect(events=[fact("refunded", amount=200)], mails=["refunded_kept"], refunds=["$2.00"])
    assert Invoice.objects.get().amount_refunded == 500
    renewed(paying)
