"""A bank takes a payment back, for a while or for good; Premium follows the money."""

from datetime import timedelta

import pytest

from billing.models import Dispute, Subscription
from billing.webhooks import DISPUTE_EVENTS
from tests.journeys.browsing import letter, sees_car
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.orders import permutations
from tests.journeys.people import page
from tests.journeys.staff import Staff
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
JUNE = at("2027-06-01 09:00")
OPENED = at("2027-03-10 12:00")
DECIDED = at("2027-03-20 15:00")
GRACE, DRAFT = timedelta(days=7), timedelta(hours=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def paying(journey: Journey) -> Journey:
    """A journey whose first month is paid."""
    journey.has_subscribed(MONTHLY)
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    journey.goes_to(OPENED)
    return journey


@pytest.fixture
def bank(paying: Journey) -> Dashboard:
    """The cardholder's bank."""
    return Dashboard(paying.world)


def opened(journey: Journey, bank: Dashboard) -> str:
    """The bank holds the payment back: what is paid stays, its grace does not."""
    dispute = bank.disputes()
    journey.expect(
        events=[
            fact("grant_changed", ends_at=APRIL),
            fact("dispute_opened", amount=1000, currency="usd"),
        ],
        mails=["dispute_opened"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )
    return dispute


def never_again(journey: Journey) -> None:
    """Nothing is charged, told or given back any more."""
    journey.goes_to(JUNE)
    journey.expect()
    assert Dashboard(journey.world).subscription()["status"] == "canceled"


def test_dispute_opened_and_won(paying: Journey, bank: Dashboard) -> None:
    dispute = opened(paying, bank)
    paying.goes_to(DECIDED)
    paying.expect()

    bank.decides(dispute, "won")

    paying.expect(
        events=[
            fact("grant_changed", ends_at=APRIL + GRACE),
            fact("dispute_won", amount=1000),
        ],
        mails=["dispute_won"],
        grants=[Given("subscription", BEGIN, APRIL + GRACE)],
        car=premium(until=APRIL + GRACE),
    )
    paying.at_boundary(APRIL, before="premium", after="premium")
    paying.goes_to(APRIL + DRAFT)
    paying.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_cancelled_while_it_is_open_and_won(paying: Journey, bank: Dashboard) -> None:
    """What is owed cannot go back while the bank holds it; it does once the bank has decided."""
    dispute = opened(paying, bank)
    Staff(paying.world, "Billing").cancels(Subscription.objects.get(), "unused")
    paying.expect(
        events=[
            fact("cancelled_now", refund="unused"),
            fact("subscription_canceled", before="active"),
        ],
        mails=["cancelled_now"],
        grants=[Given("subscription", BEGIN, OPENED)],
        car=STANDARD,
    )
    paying.goes_to(DECIDED)
    paying.expect(car=STANDARD)

    bank.decides(dispute, "won")
    paying.goes_to(DECIDED + HOUR)

    paying.expect(
        events=[fact("dispute_won", amount=1000), fact("refunded", amount=706)],
        mails=["dispute_won", "refunded"],
        refunds=["$7.06"],
        car=STANDARD,
    )
    never_again(paying)


def test_dispute_open_through_a_renewal(paying: Journey, bank: Dashboard) -> None:
    """Without grace the car has Standard for the hour until the renewal is charged."""
    opened(paying, bank)

    paying.at_boundary(APRIL, before="premium", after="standard")
    paying.expect(car=STANDARD)
    paying.goes_to(APRIL + DRAFT)
    paying.expect(
        events=[fact("grant_changed", ends_at=MAY)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY)],
        car=premium(until=MAY),
    )


def test_dispute_lost(paying: Journey, bank: Dashboard) -> None:
    """It ends at once; the bank has the money, so nothing is refunded."""
    dispute = opened(paying, bank)
    paying.goes_to(DECIDED)

    bank.decides(dispute, "lost")

    paying.expect(
        events=[
            fact("grant_changed", ends_at=DECIDED),
            fact("dispute_lost", amount=1000, currency="usd"),
            "subscription_canceled",
        ],
        mails=["dispute_lost"],
        grants=[Given("subscription", BEGIN, DECIDED)],
        car=STANDARD,
    )
    assert "Subscribe for $10 a month" in sees_car(paying.owner, paying.car).text
    never_again(paying)


def older_is_lost(paying: Journey, bank: Dashboard) -> None:
    """A bank takes the first payment for good; the second has been made."""
    paying.goes_to(APRIL + timedelta(days=9))
    paying.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        charges=["$10.00"],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )
    dispute = bank.disputes(nth=1)
    paying.expect(
        events=[fact("grant_changed", ends_at=MAY), "dispute_opened"],
        mails=["dispute_opened"],
        grants=[Given("subscription", BEGIN, MAY)],
        car=premium(until=MAY),
    )
    paying.goes_to(APRIL + timedelta(days=19))

    bank.decides(dispute, "lost")

    paying.expect(
        events=["dispute_lost", fact("renewal_stopped", paid_through=MAY)],
        mails=["dispute_lost"],
    )


def test_dispute_lost_for_an_older_payment(paying: Journey, bank: Dashboard) -> None:
    """The time that another payment pays for stays; the renewal stops."""
    older_is_lost(paying, bank)

    told = letter(paying.owner)
    assert "your subscription ends on May 1, 2027, and nothing is charged again" in told
    assert "has ended" not in told
    with pytest.raises(AssertionError, match="Nothing to undo"):
        paying.keeps()
    # Nor from a page that has stood open since before.
    answer = paying.owner.browser.post(page(paying.car, "keep"), follow=True)
    assert "You can subscribe anew after that." in answer.content.decode()
    paying.world.settle()
    paying.expect()
    paying.at_boundary(MAY, before="premium", after="standard")
    paying.expect(events=["subscription_canceled"], car=STANDARD)  # The mail has told of it.
    never_again(paying)


def test_its_end_is_not_undone_on_stripes_pages(paying: Journey, bank: Dashboard) -> None:
    """It is set again, however often: the payer reads of both."""
    older_is_lost(paying, bank)
    stripe_id = bank.subscription()["id"]
    for _ in range(2):
        bank.does(f"subscriptions/{stripe_id}", cancel_at="")
        paying.expect(
            events=[
                fact("renewal_resumed", paid_through=MAY),
                fact("renewal_stopped", paid_through=MAY),
            ],
            mails=["renewal_resumed", "cancel_scheduled"],
        )
    paying.at_boundary(MAY, before="premium", after="standard")
    paying.expect(events=["subscription_canceled"], car=STANDARD)
    never_again(paying)


def test_a_lost_dispute_is_not_undone_by_the_owner(paying: Journey, bank: Dashboard) -> None:
    bank.decides(opened(paying, bank), "lost")
    paying.expect(
        events=[fact("grant_changed", ends_at=OPENED), "dispute_lost", "subscription_canceled"],
        mails=["dispute_lost"],
        grants=[Given("subscription", BEGIN, OPENED)],
        car=STANDARD,
    )
    with pytest.raises(AssertionError, match="Nothing to undo"):
        paying.keeps()
    never_again(paying)


def test_a_question_of_the_banks_changes_nothing(paying: Journey, bank: Dashboard) -> None:
    dispute = bank.disputes(inquiry=True)
    paying.expect()
    assert Dispute.objects.get().status == "warning_needs_response"
    paying.goes_to(DECIDED)
    bank.decides(dispute, "warning_closed")
    paying.expect()
    assert Dispute.objects.get().status == "warning_closed"

    paying.at_boundary(APRIL, before="premium", after="premium")
    paying.expect()


@pytest.mark.parametrize("turn", [0, 9, 14, 23])
def test_webhooks_of_a_dispute_out_of_order_and_doubled(
    paying: Journey, bank: Dashboard, turn: int
) -> None:
    """Opened, taken, decided and given back come in any order: it is won, and told as that."""
    paying.world.webhooks.hold()
    dispute = bank.disputes()
    paying.goes_to(DECIDED)
    bank.decides(dispute, "won")
    paying.expect()

    there = list(permutations(range(4)))[turn]
    order = [*there, *reversed(there)]
    paying.world.webhooks.deliver(
        which=DISPUTE_EVENTS, order=lambda each: [each[place] for place in order]
    )
    paying.world.webhooks.flow()
    paying.world.settle()

    paying.expect(events=[fact("dispute_won", amount=1000)], mails=["dispute_won"])
    assert Dispute.objects.get().status == "won"


def test_a_dispute_is_heard_of_late_once_it_is_lost(paying: Journey, bank: Dashboard) -> None:
    """What came before is told by nobody; the end comes as soon as it is heard of, and once."""
    paying.world.webhooks.hold()
    bank.decides(bank.disputes(), "lost")
    paying.goes_to(DECIDED)
    paying.expect()

    paying.world.webhooks.deliver(order=lambda each: list(reversed(each)), times=2)
    paying.world.webhooks.flow()
    paying.world.settle()

    paying.expect(
        events=[fact("grant_changed", ends_at=DECIDED), "dispute_lost", "subscription_canceled"],
        mails=["dispute_lost"],
        grants=[Given("subscription", BEGIN, DECIDED)],
        car=STANDARD,
    )
    never_again(paying)
