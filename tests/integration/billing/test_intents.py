"""Calls that change Stripe: written first, made once, made good after whatever happened."""

from datetime import timedelta
from threading import Event, Thread

import pytest
from allauth.account.signals import email_changed
from django.db import connection

from billing import clock, gateway, intents, locks, tasks, wishes
from billing.models import Customer, Intent
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_payers_new_address_reaches_stripe(stripe: Stripe) -> None:
    owner = make_user()
    start(owner, make_car(owner))
    customer = Customer.objects.get().stripe_customer_id
    owner.email = "new@example.com"
    owner.save()
    intents.update_customer_email(payer=owner, now=clock.now())
    assert stripe.get(f"customers/{customer}")["email"] != owner.email
    tasks.sweep()
    assert stripe.get(f"customers/{customer}")["email"] == "new@example.com"


def test_what_stripe_refuses_for_good_is_not_tried_again(stripe: Stripe) -> None:
    Customer.objects.create(payer=make_user(), currency="usd", stripe_customer_id="cus_gone")
    intent, _ = wishes.record(
        Intent.Kind.UPDATE_CUSTOMER,
        "email:gone",
        {"customer": "cus_gone"},
        now=clock.now(),
    )
    with pytest.raises(gateway.StripeRefused, match="No such customer"):
        intents.perform(intent, now=clock.now())
    intent.refresh_from_db()
    assert intent.answer == {"refused": "resource_missing"}
    assert intents.due(clock.now() + timedelta(days=1)) == []


def test_an_answered_intent_is_never_called_again(stripe: Stripe) -> None:
    owner = make_user()
    start(owner, make_car(owner))
    for intent in Intent.objects.all():
        intents.perform(intent, now=clock.now())
    assert len(stripe.get("customers")["data"]) == 1
    assert len(stripe.get("checkout/sessions")["data"]) == 1


def test_one_failing_intent_holds_up_no_other(stripe: Stripe, moving_clock) -> None:
    owner = make_user()
    start(owner, make_car(owner))
    now = clock.now()
    broken, _ = wishes.record(Intent.Kind.EXPIRE_CHECKOUT, "expire:x", {}, now=now)
    owner.email = "new@example.com"
    owner.save()
    intents.update_customer_email(payer=owner, now=now)
    tasks.sweep()
    broken.refresh_from_db()
    assert broken.answered_at is None
    customer = Customer.objects.get().stripe_customer_id
    assert stripe.get(f"customers/{customer}")["email"] == "new@example.com"


def test_of_two_sweeps_at_once_one_works() -> None:
    taken, done = Event(), Event()

    def hold() -> None:
        with locks.only_one("billing.sweep") as mine:
            assert mine
            taken.set()
            done.wait(10)
        connection.close()

    other = Thread(target=hold)
    other.start()
    taken.wait(10)
    with locks.only_one("billing.sweep") as mine:
        assert not mine
    done.set()
    other.join()
    with locks.only_one("billing.sweep") as mine:
        assert mine


def test_of_two_moves_the_later_address_stays(stripe: Stripe, moving_clock) -> None:
    owner = make_user()
    start(owner, make_car(owner))
    customer = Customer.objects.get().stripe_customer_id
    for address, faults in (("typo@example.com", 3), ("right@example.com", 0)):
        owner.email = address
        owner.save()
        intents.update_customer_email(payer=owner, now=clock.now())
        if faults:
            stripe.control(
                "faults", kind="error", times=faults, method="POST", path="/v1/customers"
            )
        tasks.sweep()
    moving_clock.advance(hours=1)
    tasks.sweep()
    assert stripe.get(f"customers/{customer}")["email"] == "right@example.com"


def test_a_persons_own_change_of_address_reaches_stripe_too(stripe: Stripe) -> None:
    owner = make_user()
    start(owner, make_car(owner))
    owner.email = "moved@example.com"
    owner.save()
    email_changed.send(
        sender=None, request=None, user=owner, from_email_address=None, to_email_address=None
    )
    tasks.sweep()
    customer = Customer.objects.get().stripe_customer_id
    assert stripe.get(f"customers/{customer}")["email"] == "moved@example.com"
