"""What is given back at an end, while others give back of the same payment."""

from typing import Any

import pytest

from billing import amends, clock, gateway, intents, repayments, subjects
from billing.models import Customer, DomainEvent, Intent, Subscription
from tests.integration.billing.test_intents_faults import a_subscription
from tests.integration.conftest import Stripe

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mirror(stripe: Stripe) -> Subscription:
    """A subscription for which $10.00 were paid just now."""
    return a_subscription(stripe)


@pytest.mark.parametrize("meanwhile", [400, 1000])
def test_what_went_back_between_the_look_and_the_call_is_left_out(
    stripe: Stripe, mirror: Subscription, monkeypatch, meanwhile: int
) -> None:
    subjects.cancel_and_refund(mirror, full=True, now=clock.now())
    refund = gateway.refund

    def too_late(payment: str, amount: int, **key: Any) -> str:
        monkeypatch.setattr(gateway, "refund", refund)
        stripe.post("refunds", payment_intent=payment, amount=meanwhile)
        return refund(payment, amount, **key)

    monkeypatch.setattr(gateway, "refund", too_late)
    intent = Intent.objects.get(kind=Intent.Kind.REFUND_SUBSCRIPTION)
    intents.perform(intent, now=clock.now())
    intent.refresh_from_db()
    assert intent.answer == {"amount": 1000 - meanwhile}
    made = stripe.get("refunds?limit=10")["data"]
    assert sum(refund["amount"] for refund in made) == 1000


def test_a_refund_that_is_refused_for_another_reason_stays_refused(
    mirror: Subscription, monkeypatch
) -> None:
    subjects.cancel_and_refund(mirror, full=True, now=clock.now())

    def disputed(*_: Any, **__: Any) -> str:
        raise gateway.StripeRefused("The charge is disputed.", "charge_disputed")

    monkeypatch.setattr(gateway, "refund", disputed)
    intent = Intent.objects.get(kind=Intent.Kind.REFUND_SUBSCRIPTION)
    with pytest.raises(gateway.StripeRefused, match="disputed"):
        intents.perform(intent, now=clock.now())


@pytest.mark.parametrize("by_hand", [True, False], ids=["ours", "the dashboard's"])
def test_what_a_bank_sends_back_is_told_once_and_can_be_given_again(
    stripe: Stripe, mirror: Subscription, by_hand: bool
) -> None:
    invoice = mirror.invoices.get()
    [payment] = gateway.payments_of_invoice(invoice.pk)
    if by_hand:
        wish: dict[str, Any] = {"reason": "asked", "token": "t", "actor": None}
        amends.refund(invoice_id=invoice.pk, amount=400, now=clock.now(), **wish)
    else:
        stripe.post("refunds", payment_intent=payment, amount=400)
    repayments.sync(payment, now=clock.now())
    assert amends.left_to_refund(mirror.invoices.get()) == 600
    [made] = gateway.refunds(payment)
    stripe.control(f"refunds/{made.id}/fail")
    for _ in range(2):
        repayments.sync(payment, now=clock.now())
    told = DomainEvent.objects.get(kind="refund_failed")
    assert told.payer == Customer.objects.get().payer
    which = {"subscription": mirror.stripe_subscription_id, "invoice": invoice.pk}
    assert told.data == {**which, "refund": made.id, "amount": 400, "currency": "usd"}
    assert DomainEvent.objects.filter(kind="refunded").count() == 1
    assert mirror.invoices.get().amount_refunded == 0
    assert amends.left_to_refund(mirror.invoices.get()) == 1000


def test_while_an_end_is_to_give_back_nothing_is_left_to_give_by_hand(
    mirror: Subscription,
) -> None:
    invoice = mirror.invoices.get()
    assert amends.left_to_refund(invoice) == 1000
    subjects.cancel_and_refund(mirror, full=False, now=clock.now())
    assert amends.left_to_refund(invoice) == 0
