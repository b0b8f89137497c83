"""Calls about subscriptions: what they are, and how they go on or end."""

from datetime import datetime
from typing import Any

import stripe

from billing.gateway import client, values
from billing.gateway.values import Invoice, Line, Subscription


def subscription(subscription_id: str) -> Subscription:
    """Fetch a subscription, its card and all its invoices."""
    with client.speaking():
        found = client.api().v1.subscriptions.retrieve(
            subscription_id, {"expand": ["default_payment_method", "discounts.source.coupon"]}
        )
        invoices = client.api().v1.invoices.list(
            {
                "subscription": subscription_id,
                "limit": 100,
                "expand": ["data.payments.data.payment.payment_intent"],
            }
        )
        return values.subscription(
            found,
            tuple(values.invoice(invoice) for invoice in invoices.auto_paging_iter()),
            _credited(found) if found.status in ("paused", "canceled") else (),
        )


def _credited(found: stripe.Subscription) -> tuple[Line, ...]:
    """The time that a pause gave back, as credit that waits for an invoice which is yet to come.

    Of what has ended it waits for ever. A customer that is deleted has none.
    """
    customer: Any = {"customer": values.id_of(found.customer), "pending": True, "limit": 100}
    try:
        items = list(client.api().v1.invoice_items.list(customer).auto_paging_iter())
    except stripe.InvalidRequestError as error:
        if error.code != client.GONE:
            raise
        return ()
    return tuple(
        values.item_line(item)
        for item in items
        if item.amount < 0 and values.subscription_of(item) == found.id
    )


def cancel_subscription(subscription_id: str, *, key: str) -> None:
    """End a subscription at once, without a final invoice; an ended one is no error."""
    with client.speaking():
        try:
            client.api().v1.subscriptions.cancel(
                subscription_id, {"invoice_now": False, "prorate": False}, {"idempotency_key": key}
            )
        except stripe.InvalidRequestError as error:
            if error.code != client.GONE:
                raise


def set_renewal(subscription_id: str, *, renews: bool, key: str) -> None:
    """Let a subscription renew, or end with its period; no error if it is so, but if it has ended.

    The Customer Portal schedules an end as an instant, which is cleared in a call of its own form.
    """
    change: Any = {"cancel_at_period_end": not renews}
    with client.speaking():
        found = client.api().v1.subscriptions.retrieve(subscription_id)
        ends = bool(found.cancel_at or found.cancel_at_period_end)
        if ends != renews and found.status != "canceled":
            return
        if renews and not found.cancel_at_period_end:
            # Stripe takes one of the two in a call, and one form of call per key.
            change, key = {"cancel_at": ""}, f"{key}:cancel_at"
        client.api().v1.subscriptions.update(subscription_id, change, {"idempotency_key": key})


def renewal_paid(event: dict[str, Any]) -> tuple[str, Invoice] | None:
    """The subscription and the invoice of an `invoice.paid` that renewed it at the first try.

    None for any other event, and for one that does not hold all that there is to know.
    """
    if event.get("type") != "invoice.paid":
        return None
    try:
        found = event["data"]["object"]
        simple = found["billing_reason"] == "subscription_cycle" and found["attempt_count"] <= 1
        if not simple or found["status"] != "paid" or found["lines"]["has_more"]:
            return None
        invoice = values.invoice(stripe.Invoice.construct_from(found, None))
        which = found["parent"]["subscription_details"]["subscription"]
    except (ArithmeticError, AttributeError, KeyError, OSError, TypeError, ValueError):
        return None
    return (which, invoice) if isinstance(which, str) and isinstance(invoice.id, str) else None


def extend(subscription_id: str, until: datetime, *, key: str) -> None:
    """Have the next charge wait until then, without proration; Stripe calls such time a trial."""
    with client.speaking():
        client.api().v1.subscriptions.update(
            subscription_id,
            {"trial_end": int(until.timestamp()), "proration_behavior": "none"},
            {"idempotency_key": key},
        )
