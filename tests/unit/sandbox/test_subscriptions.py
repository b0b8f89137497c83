"""What the API does to subscriptions, customers and money that was paid."""

import pytest
import requests
import stripe

from tests.unit.sandbox.conftest import Client, SandboxClock, Shop, pay


def test_the_end_of_the_period_and_back(shop: Shop, client: Client):
    subscription = shop.subscribe()
    ends = subscription["items"].data[0].current_period_end
    ending = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    assert (ending.cancel_at, ending.cancel_at_period_end, ending.status) == (ends, True, "active")
    assert ending.canceled_at is not None
    assert ending.cancellation_details.reason == "cancellation_requested"
    [event] = client.v1.events.list({"type": "customer.subscription.updated"}).data
    assert event.data.previous_attributes["cancel_at_period_end"] is False
    assert event.data.previous_attributes["cancel_at"] is None

    on = client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": False})
    assert (on.cancel_at, on.cancel_at_period_end, on.canceled_at) == (None, False, None)
    assert on.cancellation_details.reason is None


def test_an_end_at_an_instant(shop: Shop, client: Client):
    subscription = shop.subscribe()
    ends = subscription["items"].data[0].current_period_end
    ending = client.v1.subscriptions.update(subscription.id, {"cancel_at": "min_period_end"})
    assert (ending.cancel_at, ending.cancel_at_period_end) == (ends, False)
    assert client.v1.subscriptions.update(subscription.id, {"cancel_at": ""}).cancel_at is None


def test_an_update_that_changes_nothing_tells_nothing(shop: Shop, client: Client):
    subscription = shop.subscribe(subscription_data={"metadata": {"a": "1", "b": "2"}})
    client.v1.subscriptions.update(subscription.id, {"metadata": {"a": "1"}})
    assert client.v1.events.list({"type": "customer.subscription.updated"}).data == []
    changed = client.v1.subscriptions.update(subscription.id, {"metadata": {"a": "", "c": "3"}})
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}


def test_cancelled_now_is_cancelled_for_good(shop: Shop, client: Client):
    subscription = shop.subscribe()
    gone = client.v1.subscriptions.cancel(
        subscription.id, {"cancellation_details": {"comment": "too slow", "feedback": "other"}}
    )
    assert gone.status == "canceled"
    assert gone.ended_at == gone.canceled_at
    assert gone.cancellation_details.comment == "too slow"
    for attempt in (client.v1.subscriptions.cancel, client.v1.subscriptions.update):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            attempt(subscription.id)
        assert refused.value.http_status == 404
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_deleting_a_customer_ends_what_the_customer_has(shop: Shop, client: Client):
    subscription = shop.subscribe()
    assert client.v1.customers.delete(shop.customer.id).deleted
    assert client.v1.customers.retrieve(shop.customer.id).deleted
    assert client.v1.customers.list().data == []
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"
    types = [event.type for event in client.v1.events.list({"limit": 2}).data]
    assert types == ["customer.deleted", "customer.subscription.deleted"]
    with pytest.raises(stripe.InvalidRequestError):
        shop.checkout()


def test_a_customer_changes_and_says_what_was_before(shop: Shop, client: Client):
    method = shop.subscribe().default_payment_method
    changed = client.v1.customers.update(
        shop.customer.id,
        {
            "name": "Ada",
            "metadata": {"payer": "1"},
            "address": {"country": "DE", "city": "Berlin"},
            "invoice_settings": {"default_payment_method": method},
        },
    )
    assert changed.invoice_settings.default_payment_method == method
    event = client.v1.events.list({"type": "customer.updated"}).data[0]
    assert event.data.previous_attributes["name"] is None
    assert event.data.previous_attributes["metadata"].to_dict() == {}
    other = client.v1.customers.create()
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.update(
            other.id, {"invoice_settings": {"default_payment_method": method}}
        )


def test_refunds_in_parts_up_to_the_whole(shop: Shop, client: Client):
    shop.subscribe()
    [invoice] = client.v1.invoices.list({"customer": shop.customer.id}).data
    [payment] = client.v1.invoice_payments.list({"invoice": invoice.id}).data
    intent = payment.payment.payment_intent
    part = client.v1.refunds.create(
        {"payment_intent": intent, "amount": 300, "reason": "requested_by_customer"}
    )
    assert (part.status, part.amount, part.payment_intent) == ("succeeded", 300, intent)
    with pytest.raises(stripe.InvalidRequestError, match=r"\$8\.00.*\$7\.00"):
        client.v1.refunds.create({"charge": part.charge, "amount": 800})
    rest = client.v1.refunds.create({"charge": part.charge})
    assert rest.amount == 700
    charge = client.v1.charges.retrieve(part.charge, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (1000, True)
    assert {refund.id for refund in charge.refunds.data} == {part.id, rest.id}
    assert len(client.v1.refunds.list({"payment_intent": intent}).data) == 2
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": part.charge})
    assert refused.value.code == "charge_already_refunded"
    told = [e.data.previous_attributes for e in client.v1.events.list({"type": "charge.refunded"})]
    assert told[0].to_dict() == {"amount_refunded": 300, "refunded": False}


def test_a_failed_charge_cannot_be_refunded(shop: Shop, client: Client):

    pay(shop.checkout().url, "4000000000000002")
    [event] = client.v1.events.list({"type": "charge.failed"}).data
    for name, value in (
        ("charge", event.data.object["id"]),
        ("payment_intent", event.data.object["payment_intent"]),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
            client.v1.refunds.create({name: value})


def test_cards_are_listed_by_customer(shop: Shop, client: Client):
    shop.subscribe("5555555555554444")
    [method] = client.v1.payment_methods.list({"customer": shop.customer.id, "type": "card"}).data
    assert (method.card.brand, method.card.last4) == ("mastercard", "4444")


def test_the_invoice_has_a_page(shop: Shop, client: Client):

    shop.subscribe()
    [invoice] = client.v1.invoices.list({"status": "paid"}).data
    page = requests.get(invoice.hosted_invoice_url, timeout=10).text
    assert invoice.number in page
    assert "$10.00" in page
    assert "no real payment" in page


def test_invoice_numbers_count_up_by_customer(shop: Shop, client: Client):
    shop.subscribe()
    shop.subscribe()
    numbers = [invoice.number for invoice in client.v1.invoices.list().data]
    prefix = client.v1.customers.retrieve(shop.customer.id).invoice_prefix
    assert numbers == [f"{prefix}-0002", f"{prefix}-0001"]


def test_the_sandboxs_clock_stamps_everything(
    shop: Shop, client: Client, sandbox_clock: SandboxClock
):
    sandbox_clock.advance(days=400)
    subscription = shop.subscribe()
    assert subscription.created >= shop.customer.created + 400 * 86400
