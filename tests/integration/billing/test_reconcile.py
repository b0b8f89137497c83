"""Reconcile: each kind of drift and of leak, planted, found, and repaired where it can be."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import F

from billing import checkout, clock, gateway, reconcile, subscriptions, tasks, wishes
from billing.models import (
    Checkout,
    Customer,
    Finding,
    Grant,
    Intent,
    Invoice,
    Reconciliation,
    Seat,
    StripeEvent,
    Subscription,
)
from tests.factories import Car, make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe

pytestmark = pytest.mark.django_db(transaction=True)


def run(*, fix: bool = False) -> tuple[int, str]:
    """`manage.py reconcile`: its exit status and what it says."""
    out, status = io.StringIO(), 0
    try:
        call_command("reconcile", fix=fix, stdout=out)
    except SystemExit as end:
        status = int(end.code or 0)
    return status, out.getvalue()


def found() -> set[str]:
    """The kinds that the last run has found and left."""
    last = Reconciliation.objects.latest("pk")
    return set(last.findings.filter(repaired_at=None).values_list("kind", flat=True))


def buy(stripe: Stripe, payer: Any = None) -> tuple[Car, Subscription]:
    """A car whose owner has paid just now, and the mirror; no event has come."""
    payer = payer or make_user()
    car = make_car(payer)
    stripe.pay(start(payer, car))
    page = Checkout.objects.get(subject_id=car.vehicle.id)
    checkout.settle(page, now=clock.now())
    return car, Subscription.objects.get(subject_id=car.vehicle.id)


@pytest.fixture
def bought(stripe: Stripe) -> tuple[Car, Subscription]:
    """One who pays; Stripe and we agree in all, events included."""
    stripe.control("webhooks/hold")
    both = buy(stripe)
    read_events()
    assert run() == (0, run()[1])
    return both


def read_events() -> None:
    """What Stripe has told until now came here and was handled."""
    clock.advance(120)
    tasks.catch_up()
    StripeEvent.objects.filter(state="received").update(state="handled")


def facts() -> list[Any]:
    """All facts of money, to see that nothing has changed."""
    models: list[Any] = [Subscription, Grant, Seat, Checkout, Invoice, Intent, Customer]
    return [list(model.objects.order_by("pk").values()) for model in models]


Plant = Callable[[Stripe, Car, Subscription], None]


def mirror_missing(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Seat.objects.all().delete()
    Grant.objects.all().delete()
    Invoice.objects.all().delete()
    mirror.delete()


def mirror_stale(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    stripe.post(f"subscriptions/{mirror.stripe_subscription_id}", cancel_at_period_end="true")
    read_events()


def card_stale(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Subscription.objects.update(card_last4="0000")


def payment_unheard(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Subscription.objects.update(paid_through=F("paid_through") - timedelta(days=20))
    Grant.objects.update(ends_at=F("ends_at") - timedelta(days=20))


def invoice_missing(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Invoice.objects.all().delete()


def grant_too_short(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Grant.objects.update(ends_at=F("ends_at") - timedelta(days=1))


def grant_too_long(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Grant.objects.update(ends_at=F("ends_at") + timedelta(seconds=1))


def grant_missing(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Grant.objects.all().delete()


def seat_missing(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    Seat.objects.all().delete()


def seat_of_ended(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    end_at_stripe(stripe, mirror)
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    Seat.objects.create(
        subject_id=car.vehicle.id,
        payer_id=Customer.objects.get().payer_id,
        subscription=mirror,
        taken_at=clock.now(),
    )


def premium_without_a_payer(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    until = Grant.objects.get().ends_at
    end_at_stripe(stripe, mirror)
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    Grant.objects.update(ends_at=until)


def end_at_stripe(stripe: Stripe, mirror: Subscription) -> None:
    gateway.cancel_subscription(mirror.stripe_subscription_id, key="by hand")
    read_events()


def page_settled(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    payer = make_user()
    start(payer, make_car(payer))
    session = Checkout.objects.get(state="open").stripe_session_id
    stripe.post(f"checkout/sessions/{session}/expire")
    read_events()


def intent_unanswered(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    which = Customer.objects.get().stripe_customer_id
    old = clock.now() - timedelta(hours=2)
    wishes.record(Intent.Kind.UPDATE_CUSTOMER, "email:old", {"customer": which}, now=old)


def event_missed(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    StripeEvent.objects.filter(type="customer.subscription.created").delete()
    StripeEvent.objects.filter(type="checkout.session.completed").delete()


def event_waiting(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    old = clock.now() - timedelta(hours=2)
    events = StripeEvent.objects.filter(type="customer.subscription.created")
    events.update(state="received", received_at=old)


def customer_gone(stripe: Stripe, car: Car, mirror: Subscription) -> None:
    customer = Customer.objects.get().stripe_customer_id
    end_at_stripe(stripe, mirror)
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    stripe.delete(f"customers/{customer}")
    read_events()


REPAIRED: list[tuple[Plant, str]] = [
    (mirror_missing, "mirror_missing"),
    (mirror_stale, "mirror_stale"),
    (card_stale, "mirror_stale"),
    (payment_unheard, "mirror_stale"),
    (invoice_missing, "invoice_missing"),
    (grant_too_short, "grant_too_short"),
    (grant_too_long, "grant_too_long"),
    (grant_missing, "grant_missing"),
    (seat_missing, "seat_missing"),
    (seat_of_ended, "seat_of_ended"),
    (premium_without_a_payer, "premium_without_a_payer"),
    (page_settled, "page_settled"),
    (intent_unanswered, "intent_unanswered"),
    (event_missed, "event_missed"),
    (event_waiting, "event_waiting"),
    (customer_gone, "customer_gone"),
]


@pytest.mark.parametrize(
    ("plant", "kind"), REPAIRED, ids=lambda value: getattr(value, "__name__", "")
)
def test_drift_is_found_then_repaired_and_gone(
    stripe: Stripe, bought, plant: Plant, kind: str
) -> None:
    plant(stripe, *bought)
    before = facts()
    status, said = run()
    assert (status, kind in found()) == (1, True)
    assert kind in said
    assert reconcile.KINDS[kind].words in said
    assert facts() == before, "without --fix nothing is changed"
    status, said = run(fix=True)
    assert (status, found()) == (0, set()), said
    assert Finding.objects.filter(kind=kind, repaired_at__isnull=False).exists()
    read_events()
    assert run()[0] == 0
