"""The mirror: tickets, adoption, and money that Stripe reports later."""

from dataclasses import replace
from uuid import UUID

import pytest

from billing import clock, gateway, subjects, subscriptions
from billing.models import Grant, Invoice, Seat, StripePrice, Subject, Subscription
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(stripe: Stripe):
    """A car with a subscription, and its mirror; no more events come."""
    owner = make_user()
    car = make_car(owner)
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(status="active").first)
    stripe.control("webhooks/hold")
    return car


def test_what_was_fetched_earlier_never_overwrites_what_was_fetched_later(
    paid, monkeypatch
) -> None:
    """The slow worker takes its ticket first and writes last."""
    mirror = Subscription.objects.get()
    stale = gateway.subscription(mirror.stripe_subscription_id)
    fetch = gateway.subscription

    def slow(subscription_id: str) -> gateway.Subscription:
        monkeypatch.setattr(gateway, "subscription", fetch)
        gateway.cancel_subscription(subscription_id, key="by hand")
        subscriptions.sync(subscription_id, now=clock.now())
        return stale

    monkeypatch.setattr(gateway, "subscription", slow)
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    mirror.refresh_from_db()
    assert stale.status == "active"
    assert mirror.status == "canceled"
    assert mirror.recorded_ticket == mirror.ticket
    assert not Seat.objects.exists()


def test_one_adopted_during_the_fetch_is_recorded_under_its_subjects_lock(
    paid, monkeypatch
) -> None:
    mirror = Subscription.objects.get()
    subject_id, locked = mirror.subject_id, []
    Seat.objects.all().delete()
    Grant.objects.all().delete()
    Subscription.objects.update(checkout=None, subject=None)
    monkeypatch.setattr(gateway, "session_of_subscription", lambda _: None)
    fetch, lock = gateway.subscription, subjects.lock

    def slow(subscription_id: str) -> gateway.Subscription:
        Subscription.objects.update(subject=subject_id, adopted_at=clock.now())
        return fetch(subscription_id)

    def noted(which: UUID) -> Subject:
        locked.append(which)
        return lock(which)

    monkeypatch.setattr(gateway, "subscription", slow)
    monkeypatch.setattr(subjects, "lock", noted)
    found = subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    assert locked == [subject_id]
    assert (found.subject_id, found.recorded_ticket) == (subject_id, found.ticket)


def test_a_sync_that_finds_nothing_new_tells_the_car_nothing(paid) -> None:
    version = Grant.objects.get().subject.version
    for _ in range(3):
        subscriptions.sync(Subscription.objects.get().stripe_subscription_id, now=clock.now())
    assert Grant.objects.get().subject.version == version


def test_a_subscription_that_is_not_from_our_checkout_grants_nothing(
    stripe: Stripe, paid, monkeypatch
) -> None:
    """Staff may make one in Stripe's dashboard, metadata and all: it is mirrored, no more."""
    Grant.objects.all().delete()
    Seat.objects.all().delete()
    mirror = Subscription.objects.get()
    mirror.checkout = mirror.subject = None
    mirror.save()
    monkeypatch.setattr(gateway, "session_of_subscription", lambda _id: None)
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    mirror.refresh_from_db()
    assert mirror.status == "active"
    assert mirror.subject is None
    assert not Grant.objects.exists()


def test_an_old_price_keeps_its_plan_by_its_product(paid) -> None:
    StripePrice.objects.update(lookup_key="")
    mirror = Subscription.objects.get()
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    mirror.refresh_from_db()
    assert mirror.plan == "premium"


def test_the_invoice_is_mirrored_for_its_payer(paid) -> None:
    invoice = Invoice.objects.get()
    assert (invoice.status, invoice.total, invoice.amount_paid) == ("paid", 1000, 1000)
    assert invoice.hosted_url.startswith("http")
    assert invoice.paid_through == Subscription.objects.get().paid_through


def test_a_renewal_extends_what_was_paid(stripe: Stripe, paid, moving_clock) -> None:
    before = Grant.objects.select_related("subject").get()
    stripe.control("webhooks/resume")
    moving_clock.advance(days=31, hours=2)

    def renewed() -> bool:
        after = Grant.objects.get()
        return bool(after.ends_at and before.ends_at and after.ends_at > before.ends_at)

    eventually(renewed, 20)
    assert Invoice.objects.filter(status="paid").count() == 2
    assert Grant.objects.get().subject.version > before.subject.version


def test_an_unknown_status_is_mirrored_as_it_is(paid, monkeypatch) -> None:
    fetch = gateway.subscription
    monkeypatch.setattr(gateway, "subscription", lambda i: replace(fetch(i), status="dormant"))
    mirror = Subscription.objects.get()
    subscriptions.sync(mirror.stripe_subscription_id, now=clock.now())
    mirror.refresh_from_db()
    assert mirror.status == "dormant"
    assert Grant.objects.get().ends_at == mirror.paid_through
