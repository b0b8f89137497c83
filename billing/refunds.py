"""What is given back: how much of a payment, and that it is given back once.

It must never decide that something is to be given back; whoever wrote the intent has decided that.
"""

from datetime import datetime
from typing import Any

from billing import gateway


def give_back(subscription_id: str, *, ended_at: int, full: bool, key: str) -> dict[str, Any]:
    """End a subscription, then give back what pays for the time after `ended_at` (Unix seconds).

    With `full`, all of the last payment. The end comes first, so that no renewal slips in between;
    it is the same call as that of the intent to cancel. What was given back before is left out,
    and what this very key gave back is not given twice, however long ago that was.
    """
    gateway.cancel_subscription(subscription_id, key=f"cancel:{subscription_id}")
    invoice = _last_paid(subscription_id)
    if invoice is None or not invoice.paid_through or not invoice.period_starts_at:
        return {"amount": 0}
    wanted = invoice.amount_paid
    if not full:
        wanted = unused(wanted, invoice.period_starts_at, invoice.paid_through, ended_at)
    for payment in gateway.payments_of_invoice(invoice.id):
        return _refund(payment, wanted, invoice.amount_paid, key=key)
    return {"amount": 0}


def unused(amount: int, starts_at: datetime, ends_at: datetime, at: int) -> int:
    """The share of `amount` that pays for [at, ends_at), in the payer's favour to the unit."""
    start, end = int(starts_at.timestamp()), int(ends_at.timestamp())
    left = min(max(end - at, 0), end - start)
    return -(-amount * left // (end - start)) if end > start else 0


def given_back(subscription_id: str, *, key: str) -> dict[str, Any] | None:
    """What was given back under this key or a later one of its intent; None if nothing was."""
    invoice = _last_paid(subscription_id)
    for payment in gateway.payments_of_invoice(invoice.id) if invoice else ():
        for made in gateway.refunds(payment):
            if asked_by(made, key):
                return {"amount": made.amount, "refund": made.id}
    return None


def asked_by(made: gateway.Refund, key: str) -> bool:
    """Whether an intent asked for this refund, under its own key or under one that followed it."""
    return made.key == key or made.key.startswith(f"{key}:")


def _refund(payment: str, wanted: int, paid: int, *, key: str) -> dict[str, Any]:
    before = gateway.refunds(payment)
    for made in before:
        if asked_by(made, key):
            return {"amount": made.amount, "refund": made.id}
    amount = min(wanted, paid - sum(made.amount for made in before))
    if amount <= 0:
        return {"amount": 0}
    return {"amount": amount, "refund": gateway.refund(payment, amount, key=key)}


def _last_paid(subscription_id: str) -> gateway.Invoice | None:
    paid = [
        invoice
        for invoice in gateway.subscription(subscription_id).invoices
        if invoice.status == "paid" and invoice.amount_paid
    ]
    return max(paid, key=lambda invoice: invoice.created_at, default=None)
