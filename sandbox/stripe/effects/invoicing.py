"""Makes, finalizes, settles and gives up the invoices of a subscription."""

from typing import Any

from sandbox.stripe.due import unschedule
from sandbox.stripe.effects import discounting
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.objects import invoice as shapes
from sandbox.stripe.objects.proration import line_of
from sandbox.stripe.store import Body, Transaction

# What is due to be done to an invoice: charge a renewal's draft, or try an open one again.
CHARGE = "invoice.charge"
RETRY = "invoice.retry"

_SIGNS = {"usd": "$", "cad": "CA$", "eur": "€", "gbp": "£"}
_OF_SUBSCRIPTION = "json_extract(body, '$.parent.subscription_details.subscription') = ?"


def money(amount: int, currency: str) -> str:
    """An amount as people write it, `$10.00`."""
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    return f"{sign}{amount // 100:,}.{amount % 100:02d}"


def subscription_of(invoice: Body) -> str | None:
    """The id of the subscription that an invoice bills."""
    details = (invoice["parent"] or {}).get("subscription_details")
    return details and str(details["subscription"])


def invoices_of(tx: Transaction, subscription_id: str) -> list[Body]:
    """All invoices of a subscription, newest first."""
    return tx.select("invoice", _OF_SUBSCRIPTION, [subscription_id])


def pending_items(tx: Transaction, subscription_id: str) -> list[Body]:
    """Prorations that wait for the subscription's next invoice, oldest first."""
    return tx.select(
        "invoiceitem",
        f"{_OF_SUBSCRIPTION} AND json_extract(body, '$.invoice') IS NULL",
        [subscription_id],
        tail="ORDER BY seq",
    )


def period_lines(tx: Transaction, subscription: Body, *, at: int, trial: bool) -> list[Body]:
    """A line for every item whose period begins at an instant; a trial's period costs nothing."""
    return [
        _line(tx, item, trial=trial)
        for item in subscription["items"]["data"]
        if item["current_period_start"] == at
    ]


def draft(
    tx: Transaction,
    customer: Body,
    subscription: Body,
    *,
    reason: str,
    trial: bool = False,
    since: int | None = None,
) -> Body:
    """A stored draft for every item whose period begins now, and for what waited for it.

    `since` is the beginning of the period that ends now, where there was one.
    """
    waiting = pending_items(tx, subscription["id"])
    lines = [line_of(tx, item) for item in waiting]
    lines += period_lines(tx, subscription, at=tx.now, trial=trial)
    made = compose(tx, customer, subscription, lines, reason=reason)
    made["period_start"] = tx.now if since is None else since
    for item in waiting:
        tx.change(item, invoice=made["id"])
    return tx.insert(made)


def compose(
    tx: Transaction, customer: Body, subscription: Body, lines: list[Body], *, reason: str
) -> Body:
    """An invoice of these lines, not stored; it may come to less than nothing."""
    return shapes.invoice(
        tx, customer=customer, subscription=subscription, lines=lines, reason=reason
    )


def with_balance(invoice: Body, balance: int) -> Body:
    """What an invoice asks for where the customer has a balance; a credit is below zero."""
    left = invoice["total"] + balance
    return {
        "amount_due": max(0, left),
        "amount_remaining": max(0, left),
        "ending_balance": min(0, left),
        "starting_balance": balance,
    }


def finalize(tx: Transaction, invoice: Body, customer: Body, *, uses_balance: bool = False) -> None:
    """Give the invoice its number and its page, and have it wait for its payment.

    What Checkout sold was paid for already, so that no balance is used for it.
    """
    sequence = customer["next_invoice_sequence"]
    # The counter moves without an event; that a customer now has a currency is told.
    customer["next_invoice_sequence"] = sequence + 1
    learned: dict[str, Any] = {"currency": invoice["currency"]}
    if uses_balance:
        invoice.update(with_balance(invoice, customer["balance"]))
        learned["balance"] = invoice["ending_balance"]
    else:
        invoice["ending_balance"] = 0
    tx.save(customer)
    emit_update(tx, "customer.updated", customer, tx.change(customer, **learned))
    invoice.update(
        automatically_finalizes_at=None,
        effective_at=tx.now,
        hosted_invoice_url=f"{tx.public_url}/i/{invoice['id']}",
        invoice_pdf=f"{tx.public_url}/i/{invoice['id']}/pdf",
        number=f"{customer['invoice_prefix']}-{sequence:04d}",
        status="open",
        status_transitions={**invoice["status_transitions"], "finalized_at": tx.now},
    )
    tx.save(invoice)
    emit(tx, "invoice.finalized", invoice)
    discounting.forget_used(tx, invoice)


def settle(tx: Transaction, invoice: Body, intent: Body | None, *, counted: bool = True) -> None:
    """The invoice is paid, by an intent that succeeded or because nothing is due."""
    unschedule(tx, RETRY, invoice["id"])
    invoice.update(
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        attempt_count=invoice["attempt_count"] + (1 if intent and counted else 0),
        attempted=True,
        auto_advance=False,
        next_payment_attempt=None,
        status="paid",
        status_transitions={**invoice["status_transitions"], "paid_at": tx.now},
        webhooks_delivered_at=tx.now,
    )
    tx.save(invoice)
    emit(tx, "invoice.paid", invoice)
    emit(tx, "invoice.payment_succeeded", invoice)
    if intent is not None:
        emit(tx, "invoice_payment.paid", _paid(tx, invoice, intent))


def leave(tx: Transaction, invoice: Body) -> None:
    """Collect it no longer by itself; whoever wants to may still pay it."""
    unschedule(tx, CHARGE, invoice["id"])
    unschedule(tx, RETRY, invoice["id"])
    previous = tx.change(
        invoice, auto_advance=False, automatically_finalizes_at=None, next_payment_attempt=None
    )
    emit_update(tx, "invoice.updated", invoice, previous)


def leave_all(tx: Transaction, subscription_id: str) -> None:
    """Collect nothing more for a subscription."""
    for invoice in invoices_of(tx, subscription_id):
        if invoice["status"] in ("draft", "open"):
            leave(tx, invoice)


def close(tx: Transaction, invoice: Body, status: str) -> None:
    """Make it `void`, or `uncollectible`: nothing is due any more, or nobody hopes for it."""
    unschedule(tx, CHARGE, invoice["id"])
    unschedule(tx, RETRY, invoice["id"])
    stamp = "voided_at" if status == "void" else "marked_uncollectible_at"
    tx.change(
        invoice,
        auto_advance=False,
        automatically_finalizes_at=None,
        next_payment_attempt=None,
        status=status,
        status_transitions={**invoice["status_transitions"], stamp: tx.now},
    )
    if status == "void":
        _cancel_payments(tx, invoice)
    emit(tx, "invoice.voided" if status == "void" else "invoice.marked_uncollectible", invoice)


def payments_of(tx: Transaction, invoice: Body) -> list[Body]:
    """The invoice's payments, newest first."""
    return tx.select("invoice_payment", "json_extract(body, '$.invoice') = ?", [invoice["id"]])


def _paid(tx: Transaction, invoice: Body, intent: Body) -> Body:
    made = shapes.invoice_payment(tx, invoice, intent["id"])
    for payment in payments_of(tx, invoice):
        if payment["payment"]["payment_intent"] == intent["id"]:
            kept = ("amount_paid", "status", "status_transitions")
            tx.change(payment, **{name: made[name] for name in kept})
            return payment
    return tx.insert(made)


def _cancel_payments(tx: Transaction, invoice: Body) -> None:
    for payment in payments_of(tx, invoice):
        intent = tx.get("payment_intent", payment["payment"]["payment_intent"])
        tx.change(
            intent,
            canceled_at=tx.now,
            cancellation_reason="void_invoice",
            next_action=None,
            status="canceled",
        )
        transitions = {"canceled_at": tx.now, "paid_at": None}
        tx.change(payment, status="canceled", status_transitions=transitions)


def _line(tx: Transaction, item: Body, *, trial: bool) -> Body:
    price = item["price"]
    name = tx.get("product", price["product"])["name"]
    if trial:
        return shapes.line_item(item, amount=0, description=f"Trial period for {name}")
    each = f"{money(price['unit_amount'], price['currency'])} / {price['recurring']['interval']}"
    return shapes.line_item(
        item,
        amount=price["unit_amount"] * item["quantity"],
        description=f"{item['quantity']} × {name} (at {each})",
    )
