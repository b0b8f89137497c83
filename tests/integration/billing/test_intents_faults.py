"""Outgoing calls that cannot double: each kind of call through each fault, counted at Stripe."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, transaction

from billing import clock, gateway, intents, locks, subjects, subscriptions, wishes
from billing.models import Checkout, Customer, DomainEvent, Intent, Seat, Subscription
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe

pytestmark = pytest.mark.django_db(transaction=True)
# The library tries once more by itself, except after a 429.
FAULTS = {"error": 2, "error_after": 2, "drop": 2, "drop_after": 2, "rate_limit": 1}


@dataclass
class Call:
    """A call that is to be made, and how often it has been, as Stripe tells."""

    intent: Intent
    method: str
    path: str
    effects: Callable[[], int]


def a_payer(stripe: Stripe) -> Any:
    """Somebody whom Stripe knows."""
    payer = make_user()
    intents.perform(to_create(payer), now=clock.now())
    return payer


def to_create(payer: Any) -> Intent:
    request = {"email": payer.email, "payer": str(payer.pk), "currency": "usd", "ordinal": 1}
    key = f"customer:{payer.pk}:usd:1"
    return wishes.record(Intent.Kind.CREATE_CUSTOMER, key, request, now=clock.now())[0]


def a_subscription(stripe: Stripe) -> Subscription:
    """One that was paid just now, and its mirror."""
    stripe.control("webhooks/hold")
    payer = make_user()
    stripe.pay(start(payer, make_car(payer)))
    customer = Customer.objects.get(payer=payer).stripe_customer_id
    found = stripe.get(f"subscriptions?customer={customer}")["data"][0]
    return subscriptions.sync(found["id"], now=clock.now())


def events(stripe: Stripe, kind: str, object_id: str, changed: str = "") -> int:
    """How often something happened at Stripe."""
    found = stripe.get(f"events?type={kind}&limit=100")["data"]
    return sum(
        event["data"]["object"]["id"] == object_id
        and (not changed or changed in event["data"]["previous_attributes"])
        for event in found
    )


def create_customer(stripe: Stripe) -> Call:
    payer = make_user()
    where = f"customers?email={payer.email}"
    return Call(to_create(payer), "POST", "/v1/customers", lambda: len(stripe.get(where)["data"]))


def update_customer(stripe: Stripe) -> Call:
    payer = a_payer(stripe)
    payer.email = f"new.{payer.email}"
    payer.save()
    customer = Customer.objects.get(payer=payer).stripe_customer_id
    intents.update_customer_email(payer=payer, now=clock.now())
    return Call(
        Intent.objects.get(idempotency_key__startswith=f"email:{customer}:"),
        "POST",
        "/v1/customers",
        lambda: events(stripe, "customer.updated", customer, "email"),
    )


def open_checkout(stripe: Stripe) -> Call:
    payer = a_payer(stripe)
    stripe.control("faults", kind="drop", times=2, method="POST", path="/v1/checkout")
    with pytest.raises(gateway.StripeAway):
        start(payer, make_car(payer))
    intent = Intent.objects.get(kind=Intent.Kind.OPEN_CHECKOUT, answered_at=None)
    customer = Customer.objects.get(payer=payer).stripe_customer_id
    where = f"checkout/sessions?customer={customer}"
    return Call(intent, "POST", "/v1/checkout", lambda: len(stripe.get(where)["data"]))


def expire_checkout(stripe: Stripe) -> Call:
    payer = make_user()
    car = make_car(payer)
    start(payer, car)
    page = Checkout.objects.get(payer=payer)
    session = str(page.stripe_session_id)
    return Call(
        wishes.expire(page, now=clock.now()),
        "POST",
        "/v1/checkout",
        lambda: events(stripe, "checkout.session.expired", session),
    )


def cancel_subscription(stripe: Stripe) -> Call:
    mirror = a_subscription(stripe)
    which = mirror.stripe_subscription_id
    request = {"subscription": which}
    kind = Intent.Kind.CANCEL_SUBSCRIPTION
    intent, _ = wishes.record(kind, f"cancel:{which}", request, now=clock.now())
    ended = "customer.subscription.deleted"
    return Call(intent, "DELETE", "/v1/subscriptions", lambda: events(stripe, ended, which))


def refund_subscription(stripe: Stripe) -> Call:
    mirror = a_subscription(stripe)
    subjects.cancel_and_refund(mirror, full=True, now=clock.now())
    invoice = mirror.invoices.get().stripe_invoice_id
    paid = stripe.get(f"invoice_payments?invoice={invoice}")["data"][0]["payment"]
    where = f"refunds?payment_intent={paid['payment_intent']}"
    return Call(
        Intent.objects.get(idempotency_key=f"refund:{mirror.stripe_subscription_id}"),
        "POST",
        "/v1/refunds",
        lambda: len(stripe.get(where)["data"]),
    )


def set_renewal(stripe: Stripe) -> Call:
    mirror = a_subscription(stripe)
    which = mirror.stripe_subscription_id
    request = {"subscription": which, "renews": False, "paid_through": ""}
    intent, _ = wishes.record(
        Intent.Kind.SET_RENEWAL, f"renewal:{which}:1", request, now=clock.now()
    )
    return Call(
        intent,
        "POST",
        "/v1/subscriptions",
        lambda: events(stripe, "customer.subscription.updated", which, "cancel_at_period_end"),
    )


def sell_the_car() -> None:
    with transaction.atomic():
        subjects.vacate(Checkout.objects.get().subject_id, actor=None, now=clock.now())


KINDS = [
    create_customer,
    update_customer,
    open_checkout,
    expire_checkout,
    cancel_subscription,
    refund_subscription,
    set_renewal,
]


def fail(stripe: Stripe, call: Call, fault: str) -> None:
    """Make the call once, through a fault: nobody hears its answer."""
    stripe.control("faults", kind=fault, times=FAULTS[fault], method=call.method, path=call.path)
    with pytest.raises(gateway.StripeAway):
        intents.perform(call.intent, now=clock.now())
    stripe.heal()
    call.intent.refresh_from_db()
    assert call.intent.answered_at is None
    assert call.intent.first_attempt_at is not None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_call_whose_answer_was_not_heard_is_done_once(stripe: Stripe, kind) -> None:
    stripe.control("webhooks/hold")
    for fault in FAULTS:
        if (kind, fault) == (cancel_subscription, "error_after"):
            continue  # The library's own second try hears that it is done.
        call = kind(stripe)
        fail(stripe, call, fault)
        before = call.effects()
        assert before == (1 if fault.endswith("_after") else 0), fault
        notes = DomainEvent.objects.count()
        intents.retry(call.intent, now=clock.now())
        assert call.effects() == 1, fault
        told = DomainEvent.objects.count() - notes
        assert told == (kind in (refund_subscription, set_renewal)), fault
        intents.perform(Intent.objects.get(pk=call.intent.pk), now=clock.now())
        assert call.effects() == 1, fault
        assert DomainEvent.objects.count() - notes == told


@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if kind not in (open_checkout, expire_checkout)],
    ids=lambda kind: kind.__name__,
)
@pytest.mark.parametrize("fault", ["error_after", "drop", "drop_after"])
def test_a_day_later_when_the_key_has_died_it_is_still_done_once(
    stripe: Stripe, moving_clock, kind, fault: str
) -> None:
    if (kind, fault) == (cancel_subscription, "error_after"):
        fault = "drop_after"  # The library's own second try would hear that it is done.
    call = kind(stripe)
    fail(stripe, call, fault)
    moving_clock.advance(hours=25)
    intents.retry(call.intent, now=clock.now())
    assert call.effects() == 1
    call.intent.refresh_from_db()
    assert call.intent.answered_at is not None
    looks_by_itself = kind is refund_subscription  # Payment by payment, whatever the key.
    assert (call.intent.generation > 0) == (fault != "drop_after" or looks_by_itself)


def test_a_page_that_became_too_old_is_closed_and_not_opened(stripe: Stripe, moving_clock) -> None:
    call = open_checkout(stripe)
    page = Checkout.objects.get()
    moving_clock.advance(minutes=40)
    with pytest.raises(gateway.StripeRefused):
        intents.perform(call.intent, now=clock.now())
    page.refresh_from_db()
    assert page.state == Checkout.State.EXPIRED
    assert not Seat.objects.exists()
    assert call.effects() == 0


def test_a_page_that_nobody_waits_for_any_more_is_never_opened(stripe: Stripe) -> None:
    call = open_checkout(stripe)
    sell_the_car()
    with pytest.raises(gateway.StripeRefused, match="Nobody waits"):
        intents.perform(call.intent, now=clock.now())
    assert call.effects() == 0
    assert Checkout.objects.get().state == Checkout.State.EXPIRED


def test_a_page_that_was_opened_unheard_is_found_and_shut_when_nobody_waits(
    stripe: Stripe,
) -> None:
    call = open_checkout(stripe)
    fail(stripe, call, "drop_after")
    sell_the_car()
    intents.retry(call.intent, now=clock.now())
    for intent in intents.due(clock.now()):
        intents.retry(intent, now=clock.now())
    assert call.effects() == 1
    customer = Customer.objects.get().stripe_customer_id
    found = stripe.get(f"checkout/sessions?customer={customer}")["data"]
    assert [session["status"] for session in found] == ["expired"]


def test_closing_a_page_that_was_paid_in_the_meantime_is_refused(stripe: Stripe) -> None:
    stripe.control("webhooks/hold")
    payer = make_user()
    url = start(payer, make_car(payer))
    intent = wishes.expire(Checkout.objects.get(), now=clock.now())
    call = Call(intent, "POST", "/v1/checkout", lambda: 0)
    fail(stripe, call, "drop")
    stripe.pay(url)
    with pytest.raises(gateway.StripeRefused, match="was paid"):
        intents.perform(intent, now=clock.now())
    page = Checkout.objects.get()
    assert page.check_at
    assert page.check_at <= clock.now()


def test_a_refusal_that_was_foreseen_is_no_failure_of_the_sweep(stripe: Stripe) -> None:
    foreseen = open_checkout(stripe)
    sell_the_car()
    intents.retry(foreseen.intent, now=clock.now())
    foreseen.intent.refresh_from_db()
    assert "refused" in (foreseen.intent.answer or {})
    unforeseen = refund_subscription(stripe)
    unforeseen.intent.answer = {"refused": "charge_disputed"}
    unforeseen.intent.save()
    with pytest.raises(gateway.StripeRefused):
        intents.retry(unforeseen.intent, now=clock.now())


def test_of_ten_workers_at_once_one_makes_the_call_and_all_know_the_answer(
    stripe: Stripe,
) -> None:
    call, together = create_customer(stripe), Barrier(10)

    def work(_: int) -> Any:
        together.wait(10)
        intent = Intent.objects.get(pk=call.intent.pk)
        try:
            intents.perform(intent, now=clock.now())
            return Intent.objects.get(pk=call.intent.pk).answer
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(work, range(10)))
    assert answers == [{"customer": Customer.objects.get().stripe_customer_id}] * 10
    assert call.effects() == 1


def test_who_meets_a_call_that_is_being_made_is_told_so_after_a_while(stripe: Stripe) -> None:
    call = create_customer(stripe)
    with ThreadPoolExecutor(1) as pool, locks.only_one(f"billing.intent:{call.intent.pk}") as mine:
        assert mine

        def click() -> str:
            try:
                intents.perform(call.intent, now=clock.now(), patience=0.2)
            except intents.BeingMade as error:
                return str(error)
            finally:
                connection.close()
            return "made"

        assert "at this very moment" in pool.submit(click).result(10)
        assert call.effects() == 0
