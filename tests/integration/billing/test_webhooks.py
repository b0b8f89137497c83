"""Stripe's webhooks: whatever comes to that address, in whatever form and order."""

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import stripe as library
from django.db import connection
from django.test import Client

from billing import clock, gateway, subscriptions, tasks, webhooks
from billing.models import DomainEvent, Grant, StripeEvent, Subscription
from billing.views import LARGEST
from connectivity.celery import app
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "whsec_test"


def an_event(**changed) -> dict:
    event = {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "customer.created",
        "api_version": gateway.API_VERSION,
        "data": {"object": {"id": "cus_1", "object": "customer"}},
    }
    return event | changed


def post(body: object, *, secret: str = SECRET, at: float | None = None, signature=None):
    text = body if isinstance(body, str) else json.dumps(body)
    stamp = int(at or time.time())
    header = library.WebhookSignature.generate_signature_header(text, secret, stamp)
    return Client().post(
        "/billing/webhook/",
        text,
        content_type="application/json",
        headers={"Stripe-Signature": header if signature is None else signature},
    )


def test_an_event_is_stored_once_however_often_it_comes() -> None:
    event = an_event()
    assert [post(event).status_code for _ in range(3)] == [200, 200, 200]
    stored = StripeEvent.objects.get()
    assert stored.stripe_event_id == event["id"]
    assert stored.payload == event


def test_the_same_event_fifty_times_at_once_is_stored_once() -> None:
    event, together = an_event(), Barrier(10)

    def send() -> int:
        try:
            together.wait(10)
            return [post(event).status_code for _ in range(5)].count(200)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as senders:
        answered = sum(f.result() for f in [senders.submit(send) for _ in range(10)])
    assert answered == 50
    assert StripeEvent.objects.count() == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "whsec_other"},
        {"at": time.time() - 3600},
        {"at": time.time() + 3600},
        {"signature": ""},
        {"signature": "t=1,v1=abc"},
        {"signature": "nonsense"},
        {"signature": "t=1,v1=\xe9"},
        {"signature": f"t={int(time.time())}"},
    ],
    ids=["other secret", "old", "future", "none", "1970", "nonsense", "not ASCII", "no v1"],
)
def test_what_stripe_has_not_signed_just_now_is_refused(forged) -> None:
    answer = post(an_event(), **forged)
    assert answer.status_code == 400
    assert "secret" in answer.content.decode()
    assert not StripeEvent.objects.exists()


def test_a_body_that_was_changed_on_the_way_is_refused() -> None:
    text = json.dumps(an_event())
    header = library.WebhookSignature.generate_signature_header(text, SECRET)
    answer = Client().post(
        "/billing/webhook/",
        text.replace("cus_1", "cus_2"),
        content_type="application/json",
        headers={"Stripe-Signature": header},
    )
    assert answer.status_code == 400


NO_EVENTS = [
    *("[]", "{}", "null", "7", '"evt"', "{", '{"id": 7}', '{"id": ""}'),
    '{"id": "evt_1\\u0000"}',
    '{"id": "evt_1", "data": {"x": "\\u0000"}}',
    '{"id": "evt_1", "data": "\\ud800"}',
    '{"id": "evt_1", "data": NaN}',
    '{"id": "evt_1", "data": 1e999}',
    f'{{"id": "evt_{"x" * 5000}"}}',
    "[" * 50_000 + "]" * 50_000,
]


@pytest.mark.parametrize("body", NO_EVENTS, ids=range(len(NO_EVENTS)))
def test_a_signed_body_that_is_no_event_is_refused(body: str) -> None:
    answer = post(body)
    assert answer.status_code == 400
    assert "not an event" in answer.content.decode()
    assert not StripeEvent.objects.exists()


STRANGE: list[Any] = [
    {},
    [],
    None,
    {"object": []},
    {"object": {"id": 7}},
    {"object": {"parent": []}},
]


@pytest.mark.parametrize("kind", sorted(webhooks.HANDLED))
def test_a_signed_event_with_strange_data_is_kept_and_harms_nobody(kind: str) -> None:
    for data in STRANGE:
        assert post(an_event(type=kind, data=data)).status_code == 200
    states = StripeEvent.objects.values_list("state", flat=True)
    assert list(states) == ["handled"] * len(STRANGE)


RENEWAL = {
    "id": "in_1",
    "object": "invoice",
    "number": "7",
    "status": "paid",
    "billing_reason": "subscription_cycle",
    "attempt_count": 1,
    "currency": "usd",
    "total": 1000,
    "total_taxes": None,
    "amount_paid": 1000,
    "lines": {"object": "list", "has_more": False, "data": []},
    "parent": {"subscription_details": {"subscription": "sub_1"}},
}


@pytest.mark.parametrize("created", [10**12, 10**18, 10**30, "yesterday"])
def test_a_renewal_of_a_strange_day_is_fetched_and_not_believed(created: Any, monkeypatch) -> None:
    fetched = []
    monkeypatch.setattr(subscriptions, "sync", lambda which, **_: fetched.append(which))
    paid = {"object": {**RENEWAL, "created": created}}
    assert post(an_event(type="invoice.paid", data=paid)).status_code == 200
    assert (fetched, StripeEvent.objects.get().state) == (["sub_1"], "handled")


def test_a_renewal_that_cannot_be_recorded_counts_its_attempts(monkeypatch) -> None:
    def fail(_: Any) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(gateway, "renewal_paid", fail)
    event = webhooks.take_in(an_event(type="invoice.paid", data={}), now=clock.now())
    with pytest.raises(RuntimeError):
        webhooks.process(event.pk, now=clock.now())
    event.refresh_from_db()
    assert (event.attempts, event.error) == (1, "RuntimeError: unforeseen")


def test_a_huge_body_is_refused_before_it_is_read() -> None:
    assert post(json.dumps({"id": "evt_1", "fill": "x" * LARGEST})).status_code == 413
    assert not StripeEvent.objects.exists()


def test_only_post() -> None:
    assert Client().get("/billing/webhook/").status_code == 405


def test_either_of_two_secrets_is_accepted(settings) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", SECRET]
    assert post(an_event()).status_code == 200
    assert post(an_event(), secret="whsec_new").status_code == 200


def test_an_unknown_type_is_answered_and_kept() -> None:
    assert post(an_event(type="moon.landed")).status_code == 200
    assert StripeEvent.objects.get().state == "ignored"


def test_another_api_version_is_parked_not_misread() -> None:
    event = an_event(type="invoice.paid", api_version="2031-01-01.future")
    assert post(event).status_code == 200
    assert StripeEvent.objects.get().state == "parked"


def test_the_queue_is_away_and_the_sweep_finds_the_event(stripe: Stripe) -> None:
    stripe.control("webhooks/hold")
    owner = make_user()
    stripe.pay(start(owner, make_car(owner)))
    app.conf.task_always_eager = False
    broker = app.conf.broker_url
    app.conf.broker_url = "redis+socket:///nowhere/valkey.sock"
    try:
        stripe.control("webhooks/deliver")
        assert StripeEvent.objects.filter(state="received").exists()
        assert not Grant.objects.exists()
    finally:
        app.conf.broker_url = broker
        app.conf.task_always_eager = True
    tasks.sweep()
    assert Grant.objects.count() == 1
    assert not StripeEvent.objects.filter(state="received").exists()


@pytest.mark.parametrize("order", ["as_made", "reversed", "shuffled"])
def test_any_order_and_twice_leads_to_the_same(stripe: Stripe, order: str) -> None:
    stripe.control("webhooks/hold")
    owner = make_user()
    car = make_car(owner)
    stripe.pay(start(owner, car))
    stripe.control("webhooks/deliver", order=order, times=2, seed=order)
    assert Grant.objects.count() == 1
    assert Subscription.objects.get().status == "active"
    assert DomainEvent.objects.filter(kind="grant_given").count() == 1
    assert DomainEvent.objects.filter(kind="subscription_active").count() == 1
    assert not StripeEvent.objects.filter(state="received").exists()
    version = Grant.objects.get().subject.version
    assert version == 2  # Once for being born, once for the grant.


def test_stripe_is_away_while_an_event_is_handled(stripe: Stripe, moving_clock) -> None:
    stripe.control("webhooks/hold")
    owner = make_user()
    stripe.pay(start(owner, make_car(owner)))
    stripe.control("faults", kind="error", times=100, method="GET", path="/v1/subscriptions/")
    stripe.control("webhooks/deliver")
    waiting = StripeEvent.objects.filter(state="received")
    assert waiting.exists()
    assert all(event.attempts == 1 and event.error for event in waiting)
    stripe.heal()
    tasks.sweep()
    assert not Grant.objects.exists()  # It is not yet time to try again.
    moving_clock.advance(seconds=6)
    tasks.sweep()
    assert Grant.objects.count() == 1
    assert not waiting.all().exists()


def test_a_late_event_does_not_bring_a_cancelled_plan_back(stripe: Stripe) -> None:
    owner = make_user()
    car = make_car(owner)
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(status="active").first)
    eventually(lambda: not StripeEvent.objects.filter(state="received").exists())
    mirror = Subscription.objects.get()
    gateway.cancel_subscription(mirror.stripe_subscription_id, key="by hand")
    eventually(Subscription.objects.filter(status="canceled").first)
    ended = Grant.objects.get().ends_at
    late = StripeEvent.objects.filter(type="checkout.session.completed").get()
    StripeEvent.objects.filter(pk=late.pk).update(state="received")
    tasks.process_event(late.pk)
    assert Subscription.objects.get().status == "canceled"
    assert Grant.objects.get().ends_at == ended
    assert start(owner, car)  # The seat is free for a new start.


def test_an_event_about_what_was_deleted_is_ignored_for_good(stripe: Stripe) -> None:
    gone = {"object": {"id": "sub_gone", "object": "subscription"}}
    assert post(an_event(type="customer.subscription.updated", data=gone)).status_code == 200
    event = StripeEvent.objects.get(stripe_subscription_id="sub_gone")
    assert event.state == "ignored"
    assert "sub_gone" in event.error


def test_an_id_that_would_lead_elsewhere_is_none(stripe: Stripe) -> None:
    strange = {"object": {"id": "../../v1/customers", "object": "subscription"}}
    assert post(an_event(type="customer.subscription.updated", data=strange)).status_code == 200
    event = StripeEvent.objects.get(type="customer.subscription.updated")
    assert (event.stripe_subscription_id, event.state) == ("", "handled")
