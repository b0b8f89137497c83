"""What staff can do to what came from Stripe: adopt a subscription, read a parked event again."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing import clock, subscriptions, tasks, webhooks
from billing.models import Checkout, Customer, DomainEvent, Grant, Seat, StripeEvent, Subscription
from tests import factories, staffed
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "Agreed with the customer on the phone; made in the dashboard."


@pytest.fixture
def staff() -> Client:
    return staffed.sign_in(staffed.make_staff())


@pytest.fixture
def owner() -> Any:
    return factories.make_user()


@pytest.fixture
def sub(stripe: Stripe, owner: Any) -> Subscription:
    """A subscription that we know and that has no car, as one from the dashboard."""
    first = factories.make_car(owner)
    stripe.pay(start(owner, first))
    eventually(Grant.objects.filter(subscription__status="active").first)
    eventually(lambda: not StripeEvent.objects.filter(state="received").exists())
    made = Subscription.objects.get()
    # What a checkout of ours would have left is taken away: the dashboard leaves nothing.
    DomainEvent.objects.all().delete()
    Grant.objects.all().delete()
    Seat.objects.all().delete()
    made.checkout, made.subject, made.customer = None, None, None
    made.save()
    Checkout.objects.all().delete()
    Customer.objects.all().delete()
    return made


def adopt(client: Client, sub: Subscription, car: factories.Car, payer: Any, /, **form: Any) -> Any:
    url = reverse("admin:billing_subscription_adopt", args=[sub.pk])
    wish = {"car": car.vehicle.vin, "email": payer.email, "reason": REASON, **form}
    return client.post(url, wish, follow=True)


def test_the_car_gets_what_the_subscription_pays_for(
    staff: Client, sub: Subscription, owner: Any
) -> None:
    car = factories.make_car(owner)
    assert "The car has what" in adopt(staff, sub, car, owner).content.decode()
    sub.refresh_from_db()
    assert (sub.subject_id, sub.status) == (car.vehicle.id, "active")
    assert sub.adopted_at is not None
    assert sub.customer is not None
    assert (sub.customer.payer, sub.customer.ordinal) == (owner, 1)
    seat = Seat.objects.get()
    assert (seat.subject_id, seat.payer, seat.subscription) == (car.vehicle.id, owner, sub)
    assert Grant.objects.get().subject_id == car.vehicle.id
    car.sign_in()
    assert car.plan() == "premium"
    event = DomainEvent.objects.get(kind="subscription_adopted")
    assert (event.payer, event.data["reason"]) == (owner, REASON)
    assert event.actor is not None


def test_twice_is_once_and_a_later_sync_keeps_it(
    staff: Client, sub: Subscription, owner: Any
) -> None:
    car = factories.make_car(owner)
    adopt(staff, sub, car, owner)
    assert "nothing to do here" in adopt(staff, sub, car, owner).content.decode()
    subscriptions.sync(sub.stripe_subscription_id, now=clock.now())
    sub.refresh_from_db()
    assert sub.subject_id == car.vehicle.id
    assert DomainEvent.objects.filter(kind="subscription_adopted").count() == 1
    assert Grant.objects.count() == Seat.objects.count() == 1


def test_a_taken_seat_is_refused_and_nothing_is_changed(
    staff: Client, sub: Subscription, owner: Any
) -> None:
    car = factories.make_car(owner)
    start(factories.make_user(), car)
    before = Customer.objects.count()
    assert "payment page open" in adopt(staff, sub, car, owner).content.decode()
    sub.refresh_from_db()
    assert (sub.subject_id, sub.adopted_at) == (None, None)
    assert Customer.objects.count() == before


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"hardware": "none"}, "no modem"),
        ({"lifetime_premium": True}, "for good"),
    ],
)
def test_a_car_that_cannot_have_it_is_refused(
    staff: Client, sub: Subscription, owner: Any, facts: dict[str, Any], says: str
) -> None:
    car = factories.make_car(owner, **facts)
    assert says in adopt(staff, sub, car, owner).content.decode()
    assert not Seat.objects.exists()


def test_who_does_not_own_the_car_cannot_pay_for_it(
    staff: Client, sub: Subscription, owner: Any
) -> None:
    car = factories.make_car(factories.make_user())
    assert "not in this person" in adopt(staff, sub, car, owner).content.decode()
    assert not Seat.objects.exists()


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"reason": ""}, "required"),
        ({"car": "nonsense"}, "names 0 cars"),
        ({"email": "nobody@example.com"}, "Nobody signs in"),
    ],
)
def test_the_form_says_what_is_wrong(
    staff: Client, sub: Subscription, owner: Any, form: dict[str, str], says: str
) -> None:
    car = factories.make_car(owner)
    assert says in adopt(staff, sub, car, owner, **form).content.decode()
    assert not Seat.objects.exists()


def test_while_stripe_is_away_nothing_is_changed(
    stripe: Stripe, staff: Client, sub: Subscription, owner: Any
) -> None:
    stripe.control("faults", kind="error", times=99, path="/v1/")
    car = factories.make_car(owner)
    assert "try again soon" in adopt(staff, sub, car, owner).content.decode()
    stripe.heal()
    sub.refresh_from_db()
    assert (sub.subject_id, Seat.objects.exists()) == (None, False)


@pytest.mark.parametrize("group", ["Support", "Fleet", "Auditor"])
def test_only_billing_adopts(sub: Subscription, owner: Any, group: str) -> None:
    client = staffed.sign_in(staffed.make_staff(group))
    assert adopt(client, sub, factories.make_car(owner), owner).status_code == 403


def parked(sub: Subscription, kind: str = "customer.subscription.updated") -> StripeEvent:
    now = clock.now()
    return StripeEvent.objects.create(
        stripe_event_id="evt_parked",
        type=kind,
        api_version="2020-01-01",
        state="parked",
        stripe_subscription_id=sub.stripe_subscription_id,
        payload={"id": "evt_parked", "type": kind, "data": {"object": {}}},
        received_at=now,
        next_attempt_at=now,
    )


def read_again(client: Client, event: StripeEvent, reason: str = REASON) -> Any:
    url = reverse("admin:billing_stripeevent_read_again", args=[event.pk])
    return client.post(url, {"reason": reason}, follow=True)


def test_a_parked_event_is_read_again_and_handled(
    stripe: Stripe, staff: Client, sub: Subscription
) -> None:
    event = parked(sub)
    stripe.control("webhooks/hold")
    stripe.post(f"subscriptions/{sub.stripe_subscription_id}", cancel_at_period_end="true")
    assert "will be in a few seconds" in read_again(staff, event).content.decode()
    assert "nothing to do here" in read_again(staff, event).content.decode()
    tasks.sweep()
    event.refresh_from_db()
    assert event.state == "handled"
    sub.refresh_from_db()
    assert sub.ends_at is not None
    told = DomainEvent.objects.get(kind="event_read_again")
    assert told.data["event"] == "evt_parked"
    assert told.actor is not None


def test_one_that_names_nothing_stays_parked(staff: Client, sub: Subscription) -> None:
    event = parked(sub)
    StripeEvent.objects.update(stripe_subscription_id="")
    assert "names no subscription" in read_again(staff, event).content.decode()
    event.refresh_from_db()
    assert event.state == "parked"
    assert webhooks.due(clock.now()) == []


def test_reading_again_wants_a_reason_and_the_right(staff: Client, sub: Subscription) -> None:
    event = parked(sub)
    read_again(staff, event, reason="")
    for group in ("Support", "Fleet", "Auditor"):
        client = staffed.sign_in(staffed.make_staff(group))
        assert read_again(client, event).status_code == 403
    event.refresh_from_db()
    assert event.state == "parked"
