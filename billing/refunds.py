"""What is given back: how much of which payment, and that it is given back once.

It must never decide that something is to be given back; whoever wrote the intent has decided that.

# Note [Credit goes back where it came from]
Who changed from a month to a year paid the year in part with what was left of the month. A payment
can be refunded only as far as it went, so that part goes back to the payment before it. What a
pause gave back, and no invoice has used, is unused as well: nothing else will ever use it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing import gateway


def give_back(
    subscription_id: str, *, ended_at: int, full: bool, wish: str, key: str
) -> dict[str, Any]:
    """End a subscription, then give back what pays for the time after `ended_at` (Unix seconds).

    With `full`, all of the last payment. The end comes first, so that no renewal slips in between.
    A renewal that slipped in before it, while
    Stripe was away, goes back whole. What was given back before is left out,
    and what the intent with the key `wish` gave back is not given twice, however long ago that
    was; `key` is the one under which it is given now.
    """
    gateway.cancel_subscription(subscription_id, key=f"{key}:end")
    found = gateway.subscription(subscription_id)
    paid = _paid(found)
    ended_at = min([ended_at, *(int(line.starts_at.timestamp()) for line in found.credited)])
    if not paid:
        return {"amount": 0}
    if full:
        return {"amount": _refund(paid[0], paid[0].amount_paid, wish=wish, key=key)}
    made = []
    while len(paid) > 1 and _begins_after(paid[0], ended_at):
        made.append(_refund(paid[0], paid[0].amount_paid, wish=wish, key=key))
        paid = paid[1:]
    last, *earlier = paid
    made.append(_refund(last, _unused(last, last.amount_paid, ended_at), wish=wish, key=key))
    made += _refund_credit(earlier, _unused(last, _credited(last), ended_at), wish, key)
    return {"amount": sum(made)}


def unused(amount: int, starts_at: datetime, ends_at: datetime, at: int) -> int:
    """The share of `amount` that pays for [at, ends_at), in the payer's favour to the unit."""
    start, end = int(starts_at.timestamp()), int(ends_at.timestamp())
    left = min(max(end - at, 0), end - start)
    return -(-amount * left // (end - start)) if end > start else 0


def asked_by(made: gateway.Refund, wish: str) -> bool:
    """Whether an intent asked for this refund, under its own key or under one that followed it."""
    return made.key == wish or made.key.startswith(f"{wish}:")


def _begins_after(invoice: gateway.Invoice, at: int) -> bool:
    """Whether an invoice pays for nothing but what comes after that instant."""
    begins = invoice.period_starts_at
    return begins is not None and int(begins.timestamp()) >= at


def _unused(invoice: gateway.Invoice, amount: int, at: int) -> int:
    if invoice.period_starts_at is None or invoice.paid_through is None:
        return 0
    return unused(amount, invoice.period_starts_at, invoice.paid_through, at)


def _credited(invoice: gateway.Invoice) -> int:
    """What of an invoice's time was paid with credit; see Note [Credit goes back …]."""
    credit = -sum(line.amount for line in invoice.lines if line.amount < 0)
    net = sum(line.amount for line in invoice.lines)
    return invoice.amount_paid * credit // net if net > 0 else 0


def _refund_credit(
    earlier: Sequence[gateway.Invoice], wanted: int, wish: str, key: str
) -> list[int]:
    """Give credit back to the payments that it came from, the latest first."""
    made: list[int] = []
    for invoice in earlier:
        if sum(made) < wanted:
            made.append(_refund(invoice, wanted - sum(made), wish=wish, key=key))
    return made


def _refund(invoice: gateway.Invoice, wanted: int, *, wish: str, key: str) -> int:
    """Give back that much of an invoice's payment, or what is left of it; return the amount."""
    for payment in gateway.payments_of_invoice(invoice.id):
        return _of_payment(payment, invoice.amount_paid, wanted, wish=wish, key=f"{key}:{payment}")
    return 0


def _of_payment(payment: str, paid: int, wanted: int, *, wish: str, key: str) -> int:
    """Give back a part of a payment; if some of it went back just now, what is left after that."""
    refused, tried = None, 0
    while True:
        before = gateway.refunds(payment)
        ours = sum(made.amount for made in before if asked_by(made, wish))
        amount = min(wanted, paid - sum(made.amount for made in before))
        if ours or amount <= 0:
            return ours
        if refused is not None and amount == tried:
            raise refused
        try:
            # Stripe takes one amount per key.
            gateway.refund(payment, amount, key=f"{key}:{amount}" if refused else key)
        except gateway.StripeRefused as error:
            refused, tried = error, amount
        else:
            return amount


def _paid(found: gateway.Subscription) -> list[gateway.Invoice]:
    """The invoices that were paid with money, the latest first."""
    paid = [one for one in found.invoices if one.status == "paid" and one.amount_paid]
    return sorted(paid, key=lambda invoice: (invoice.created_at, invoice.id), reverse=True)
