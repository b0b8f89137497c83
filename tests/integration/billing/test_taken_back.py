"""What nobody pays for ends once, and money goes back in the currency in which it came."""

from datetime import timedelta

import pytest

from billing import clock, seats
from billing.calls.renewing import REFUND_SUBSCRIPTION
from billing.models import DomainEvent, Grant, Seat, Subscription
from tests.factories import make_car, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def mirror() -> Subscription:
    """A subscription that holds its seat, and that no payment is left for."""
    owner, now = make_user(), clock.now().replace(microsecond=0)
    subject_id = make_car(owner).vehicle.id
    mirror = Subscription.objects.create(
        stripe_subscription_id="sub_1",
        subject_id=subject_id,
        status="active",
        plan="premium",
        currency="eur",
    )
    Seat.objects.create(subject_id=subject_id, payer=owner, subscription=mirror, taken_at=now)
    Grant.objects.create(
        subject_id=subject_id,
        plan="premium",
        starts_at=now - timedelta(days=9),
        ends_at=now + timedelta(days=9),
        source="subscription",
        subscription=mirror,
        created_at=now,
    )
    return mirror


def test_what_has_ended_for_want_of_payment_ends_no_second_time(mirror: Subscription) -> None:
    assert mirror.subject_id is not None
    first = clock.now().replace(microsecond=0)
    for now in (first, first + timedelta(minutes=5)):
        seats.settle(mirror, mirror.subject_id, None, None, now=now)

    assert Grant.objects.get().ends_at == first
    assert DomainEvent.objects.filter(kind="grant_changed").count() == 1


def test_a_refund_names_its_currency(mirror: Subscription) -> None:
    REFUND_SUBSCRIPTION.apply({"subscription": "sub_1"}, {"amount": 700}, clock.now())

    told = DomainEvent.objects.get(kind="refunded").data
    assert told == {"subscription": "sub_1", "amount": 700, "currency": "eur"}
