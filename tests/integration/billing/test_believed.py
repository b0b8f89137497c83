"""Renewals that were paid are recorded together, each as if it had come alone."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import believed, clock, gateway, subscriptions, tasks, webhooks
from billing.models import (
    Change,
    Customer,
    Dispute,
    DomainEvent,
    Grant,
    Invoice,
    Seat,
    StripeEvent,
    Subject,
    Subscription,
)
from billing.policy import GRACE
from tests.factories import make_car, make_user
from tests.integration.telling import subscribed

pytestmark = pytest.mark.django_db(transaction=True)
PAID = datetime.fromisoformat("2026-12-22T08:20:00+00:00")  # As `subscribed` has it.
NOW = PAID + timedelta(hours=1)
THEN = PAID + timedelta(days=31)


@pytest.fixture(autouse=True)
def _it_is_now(moving_clock) -> None:
    moving_clock.advance(seconds=int((NOW - clock.now()).total_seconds()) + 1)


def payer(**facts: Any) -> str:
    """Who has paid until PAID; Stripe's id of the subscription."""
    owner = make_user()
    return subscribed(make_car(owner), owner, NOW, **facts)


def paid(subscription: str, *, until: datetime = THEN, **changed: Any) -> StripeEvent:
    """The event that says so, as Stripe sends it, stored and not handled."""
    line = {
        "period": {"start": int(PAID.timestamp()), "end": int(until.timestamp())},
        "amount": 1000,
        "parent": {"type": "subscription_item_details"},
    }
    invoice = {
        "id": f"in_{uuid.uuid4().hex}",
        "object": "invoice",
        "number": "7",
        "status": "paid",
        "billing_reason": "subscription_cycle",
        "attempt_count": 1,
        "next_payment_attempt": None,
        "created": int(PAID.timestamp()),
        "currency": "usd",
        "total": 1000,
        "total_taxes": None,
        "amount_paid": 1000,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "status_transitions": {"paid_at": int(PAID.timestamp())},
        "lines": {"object": "list", "has_more": False, "data": [line]},
        "parent": {"subscription_details": {"subscription": subscription}},
    }
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "invoice.paid",
        "api_version": gateway.API_VERSION,
        "data": {"object": invoice | changed},
    }
    return webhooks.take_in(event, now=NOW)


def states(*events: StripeEvent) -> list[str]:
    """What has become of these."""
    found = dict(StripeEvent.objects.values_list("id", "state"))
    return [found[event.pk] for event in events]


def grant_of(subscription: str) -> Grant:
    return Grant.objects.get(subscription__stripe_subscription_id=subscription)


def test_many_are_recorded_each_as_if_alone() -> None:
    many = [payer() for _ in range(3)]
    before = dict(Subject.objects.values_list("id", "version"))
    Change.objects.all().delete()
    events = [paid(each) for each in many]

    tasks.record_renewals()

    assert states(*events) == ["handled"] * 3
    for each in many:
        mirror = Subscription.objects.get(stripe_subscription_id=each)
        assert (mirror.paid_through, mirror.period_ends_at) == (THEN, THEN)
        assert grant_of(each).ends_at == THEN + GRACE
        assert grant_of(each).subject.version == before[grant_of(each).subject_id] + 1
        told = DomainEvent.objects.get(kind="grant_changed", subject_id=mirror.subject_id)
        assert told.payer == Customer.objects.get(subscriptions=mirror).payer
        assert told.data == {"subscription": each, "ends_at": (THEN + GRACE).isoformat()}
        assert Invoice.objects.get(subscription=mirror).status == "paid"


def test_a_hundred_cost_no_more_statements_than_one() -> None:
    def statements(count: int) -> int:
        events = [paid(payer()) for _ in range(count)]
        with CaptureQueriesContext(connection) as seen:
            assert webhooks.record_renewals(now=NOW) == (count, [])
        assert set(states(*events)) == {"handled"}
        return len([one for one in seen if "SAVEPOINT" not in one["sql"]])

    assert statements(20) == statements(1)


def test_what_tells_more_than_that_it_was_paid_is_fetched_and_holds_up_nobody(monkeypatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(subscriptions, "sync", lambda which, **_: fetched.append(which))
    plain, unknown, ended = payer(), "sub_unknown", payer(status="canceled")
    recovered = payer()
    Invoice.objects.create(
        stripe_invoice_id="in_failed",
        subscription=Subscription.objects.get(stripe_subscription_id=recovered),
        status="open",
        attempts=1,
        currency="usd",
        total=1000,
        amount_paid=0,
        created_at=PAID,
    )
    events = [
        paid(unknown),
        paid(ended),
        paid(recovered, id="in_failed"),
        paid(plain, attempt_count=2),
        paid(plain),
    ]

    tasks.record_renewals()

    assert sorted(fetched) == sorted([unknown, ended, recovered, plain])
    assert set(states(*events)) == {"handled"}
    assert grant_of(plain).ends_at == THEN + GRACE
    assert grant_of(recovered).ends_at == PAID + GRACE


def test_two_renewals_of_one_subscription_count_as_the_later_of_them() -> None:
    subscription = payer()
    year = THEN + timedelta(days=334)
    events = [paid(subscription, until=year), paid(subscription)]

    tasks.record_renewals()

    assert states(*events) == ["handled"] * 2
    assert grant_of(subscription).ends_at == year + GRACE
    assert Invoice.objects.count() == 2


def test_grace_seat_and_dispute_count_for_each() -> None:
    ending, seatless, disputed, longer = payer(ends_at=THEN), payer(), payer(), payer()
    Seat.objects.filter(subscription__stripe_subscription_id=seatless).delete()
    Grant.objects.filter(pk=grant_of(longer).pk).update(ends_at=THEN + timedelta(days=99))
    held = Invoice.objects.create(
        stripe_invoice_id="in_held",
        subscription=Subscription.objects.get(stripe_subscription_id=disputed),
        status="paid",
        currency="usd",
        total=1000,
        amount_paid=0,
        created_at=PAID,
    )
    Dispute.objects.create(
        stripe_dispute_id="dp_1",
        invoice=held,
        status="needs_response",
        opened_at=NOW,
        synced_at=NOW,
        amount=1000,
        currency="usd",
    )
    for each in (ending, seatless, disputed, longer):
        paid(each)

    tasks.record_renewals()

    assert grant_of(ending).ends_at == THEN
    assert grant_of(seatless).ends_at == PAID + GRACE
    assert grant_of(disputed).ends_at == THEN
    assert grant_of(longer).ends_at == THEN + timedelta(days=99)


def test_one_that_breaks_the_batch_is_tried_by_itself_and_the_others_are_recorded(
    monkeypatch,
) -> None:
    good, bad = payer(), payer()
    broken = paid(bad)
    event = paid(good)
    real = gateway.renewal_paid

    def fails(payload: dict[str, Any]) -> Any:
        if payload["id"] == broken.stripe_event_id:
            raise RuntimeError("unforeseen")
        return real(payload)

    monkeypatch.setattr(gateway, "renewal_paid", fails)

    assert webhooks.due(NOW) == []  # They are recorded together, if that can be.
    found, left = webhooks.record_renewals(now=NOW)

    assert (found, sorted(left)) == (2, sorted([broken.pk, event.pk]))
    assert not webhooks.has_renewals(now=NOW)  # Nobody takes them twice meanwhile.
    assert sorted(webhooks.due(NOW + webhooks.SOON)) == sorted(left)
    with pytest.raises(RuntimeError):
        webhooks.process(broken.pk, now=NOW)
    webhooks.process(event.pk, now=NOW)
    broken.refresh_from_db()
    assert (broken.attempts, broken.error) == (1, "RuntimeError: unforeseen")
    assert states(event) == ["handled"]
    assert grant_of(good).ends_at == THEN + GRACE


def test_without_a_message_the_sweep_records_them() -> None:
    event = paid(payer())
    tasks.sweep()
    assert states(event) == ["handled"]


def test_nothing_is_recorded_of_a_batch_that_is_not_done(monkeypatch) -> None:
    """The event is handled in the same transaction: neither is there without the other."""
    subscription = payer()
    event = paid(subscription)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(webhooks, "_close", dies)
    with pytest.raises(KeyboardInterrupt):
        webhooks.record_renewals(now=NOW)

    assert states(event) == ["received"]
    assert grant_of(subscription).ends_at == PAID + GRACE
    assert not Invoice.objects.exists()
    assert believed.record([], now=NOW) == []
