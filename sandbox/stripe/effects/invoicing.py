"""Makes, finalizes and settles the invoices of a subscription."""

from sandbox.stripe.effects import discounting
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.objects import invoice as shapes
from sandbox.stripe.store import Body, Transaction

_SIGNS = {"usd": "$", "cad": "CA$", "eur": "€", "gbp": "£"}


def money(amount: int, currency: str) -> str:
    """An amount as people write it, `$10.00`."""
    sign = _SIGNS.get(currency, f"{currency.upper()} ")
    return f"{sign}{amount // 100:,}.{amount % 100:02d}"


def draft(
    tx: Transaction,
    customer: Body,
    subscription: Body,
    *,
    reason: str,
    trial: bool = False,
    since: int | None = None,
) -> Body:
    """A stored draft for every item whose period begins now; a trial's period costs nothing.

    `since` is the beginning of the period that ends now, where there was one.
    """
    lines = [
        _line(tx, item, trial=trial)
        for item in subscription["items"]["data"]
        if item["current_period_start"] == tx.now
    ]
    made = shapes.invoice(
        tx, customer=customer, subscription=subscription, lines=lines, reason=reason
    )
    made["period_start"] = tx.now if since is None else since
    return tx.insert(made)


def finalize(tx: Transaction, invoice: Body, customer: Body) -> None:
    """Give the invoice its number and its page, and have it wait for its payment."""
    sequence = customer["next_invoice_sequence"]
    # The counter moves without an event; that a customer now has a currency is told.
    customer["next_invoice_sequence"] = sequence + 1
    tx.save(customer)
    emit_update(tx, "customer.updated", customer, tx.change(customer, currency=invoice["currency"]))
    page = f"{tx.public_url}/i/{invoice['id']}"
    invoice.update(
        auto_advance=True,
        effective_at=tx.now,
        ending_balance=0,
        hosted_invoice_url=page,
        invoice_pdf=None,
        number=f"{customer['invoice_prefix']}-{sequence:04d}",
        status="open",
        status_transitions={**invoice["status_transitions"], "finalized_at": tx.now},
    )
    tx.save(invoice)
    emit(tx, "invoice.finalized", invoice)
    discounting.forget_used(tx, invoice)


def settle(tx: Transaction, invoice: Body, intent: Body | None) -> None:
    """The invoice is paid, by an intent that succeeded or because nothing is due."""
    invoice.update(
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        attempt_count=invoice["attempt_count"] + (1 if intent else 0),
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
        emit(
            tx,
            "invoice_payment.paid",
            tx.insert(shapes.invoice_payment(tx, invoice, intent["id"])),
        )


def fail(tx: Transaction, invoice: Body) -> None:
    """An attempt to collect the invoice failed; it stays open."""
    tx.change(invoice, attempt_count=invoice["attempt_count"] + 1, attempted=True)
    emit(tx, "invoice.payment_failed", invoice)


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
