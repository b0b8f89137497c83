"""Banks take money back: disputes opened, won and lost, and refunds that do not arrive."""

from typing import Any

import pytest
import requests
import stripe

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, Receiver, Shop, until
from tests.unit.sandbox.test_webhooks import control


def charge_of(client: Client, subscription: Any) -> Any:
    [payment] = client.v1.invoice_payments.list({"invoice": subscription.latest_invoice}).data
    intent = client.v1.payment_intents.retrieve(payment.payment.payment_intent)
    return client.v1.charges.retrieve(intent.latest_charge)


@pytest.fixture
def charge(shop: Shop, client: Client) -> Any:
    return charge_of(client, shop.subscribe())


@pytest.mark.parametrize(
    ("status", "told", "net"),
    [
        ("won", ["charge.dispute.closed", "charge.dispute.funds_reinstated"], 0),
        ("lost", ["charge.dispute.closed"], -2500),
    ],
)
def test_a_dispute_takes_the_money_until_it_is_won(
    sandbox: SandboxServer, client: Client, receiver: Receiver, charge: Any, status, told, net
):
    dispute = control(sandbox, "disputes", charge=charge.id, reason="fraudulent")
    assert (dispute["status"], dispute["amount"]) == ("needs_response", 1000)
    assert client.v1.charges.retrieve(charge.id).disputed
    [listed] = client.v1.disputes.list({"payment_intent": charge.payment_intent}).data
    assert listed.id == dispute["id"]
    assert client.v1.disputes.list({"charge": "ch_other"}).data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_disputed"
    control(sandbox, f"disputes/{dispute['id']}/close", status=status)
    closed = client.v1.disputes.retrieve(dispute["id"])
    assert closed.status == status
    assert sum(moved.net for moved in closed.balance_transactions) == net
    expected = ["charge.dispute.created", "charge.dispute.funds_withdrawn", *told]
    shown = client.v1.events.list({"type": "charge.dispute.*"}).data
    assert [event.type for event in reversed(shown)] == expected
    until(lambda: set(expected) <= set(receiver.types))


def test_an_inquiry_takes_nothing(sandbox: SandboxServer, client: Client, charge: Any):
    dispute = control(
        sandbox, "disputes", payment_intent=charge.payment_intent, inquiry="true", amount="400"
    )
    assert (dispute["status"], dispute["amount"]) == ("warning_needs_response", 400)
    assert dispute["balance_transactions"] == []
    url = f"{sandbox.url}/sandbox/stripe/disputes/{dispute['id']}/close"
    refused = requests.post(url, data={"status": "won"}, timeout=10)
    assert (refused.status_code, "warning_closed" in refused.text) == (400, True)
    control(sandbox, f"disputes/{dispute['id']}/close", status="warning_closed")
    types = [event.type for event in client.v1.events.list({"type": "charge.dispute.*"}).data]
    assert types == ["charge.dispute.closed", "charge.dispute.created"]
    assert client.v1.refunds.create({"charge": charge.id}).status == "succeeded"


def test_a_refund_that_does_not_arrive(sandbox: SandboxServer, client: Client, charge: Any):
    refund = client.v1.refunds.create({"charge": charge.id, "amount": 600})
    control(sandbox, f"refunds/{refund.id}/fail")
    [failed] = client.v1.refunds.list({"charge": charge.id}).data
    assert failed.status == "failed"
    assert client.v1.charges.retrieve(charge.id).amount_refunded == 0
    types = [event.type for event in client.v1.events.list({"types": ["refund.failed"]}).data]
    assert types == ["refund.failed"]


def test_cards_are_attached_and_detached(client: Client, shop: Shop):
    subscription = shop.subscribe()
    method = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": shop.customer.id})
    assert (method.card.last4, method.customer) == ("4444", shop.customer.id)
    client.v1.customers.update(
        shop.customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )
    other = client.v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(method.id, {"customer": other.id})
    for card in (method.id, subscription.default_payment_method):
        assert client.v1.payment_methods.detach(card).customer is None
    assert client.v1.payment_methods.list({"customer": shop.customer.id}).data == []
    customer = client.v1.customers.retrieve(shop.customer.id)
    assert customer.invoice_settings.default_payment_method is None
    assert client.v1.subscriptions.retrieve(subscription.id).default_payment_method is None
    with pytest.raises(stripe.InvalidRequestError, match="not attached"):
        client.v1.payment_methods.detach(method.id)
    with pytest.raises(stripe.CardError):
        client.v1.payment_methods.attach("pm_card_chargeDeclined", {"customer": other.id})


def test_a_setup_intent_sets_a_card_up(client: Client, shop: Shop):
    waits = client.v1.setup_intents.create({"customer": shop.customer.id})
    assert waits.status == "requires_payment_method"
    done = client.v1.setup_intents.create(
        {"customer": shop.customer.id, "payment_method": "pm_card_visa", "confirm": True}
    )
    assert done.status == "succeeded"
    method = client.v1.payment_methods.retrieve(done.payment_method)
    assert method.customer == shop.customer.id
    types = [event.type for event in client.v1.events.list({"type": "setup_intent.*"}).data]
    assert types == ["setup_intent.succeeded"]


def test_a_deleted_customer_pays_no_more(client: Client, shop: Shop):
    subscription = shop.subscribe()
    client.v1.customers.delete(shop.customer.id)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    types = [event.type for event in client.v1.events.list({"limit": 2}).data]
    assert types == ["customer.deleted", "customer.subscription.deleted"]
