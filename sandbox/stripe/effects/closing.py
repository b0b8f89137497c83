"""Ends a subscription at this instant and settles what was paid for the time that is left."""

from sandbox.stripe.effects import collecting, proration
from sandbox.stripe.effects.cancelling import cancel_now
from sandbox.stripe.effects.switching import make_invoice
from sandbox.stripe.events import emit
from sandbox.stripe.objects.proration import invoice_item
from sandbox.stripe.store import Body, Transaction


def end_now(
    tx: Transaction,
    subscription: Body,
    *,
    details: Body | None = None,
    prorate: bool = False,
    invoice_now: bool = False,
) -> None:
    """Cancel; with `prorate` unused time becomes a credit, with `invoice_now` it is invoiced."""
    customer = tx.get("customer", subscription["customer"])
    if prorate:
        give_back(tx, subscription, customer)
    cancel_now(tx, subscription, details=details)
    if invoice_now:
        bill_waiting(tx, subscription, customer)


def give_back(tx: Transaction, subscription: Body, customer: Body, *, whole: bool = False) -> None:
    """Have the next invoice credit what is left of the periods, or the `whole` of them."""
    for item in subscription["items"]["data"]:
        at = item["current_period_start"] if whole else tx.now
        for part in proration.credit(tx, item, at=at):
            tx.insert(invoice_item(tx, customer, part))


def bill_waiting(tx: Transaction, subscription: Body, customer: Body) -> None:
    """Invoice now what waits for the next invoice; a credit goes to the customer's balance."""
    invoice = make_invoice(tx, customer, subscription, [], reason="subscription_update")
    if not invoice["lines"]["data"]:
        tx.db.execute("DELETE FROM objects WHERE id = ?", (invoice["id"],))
        return
    tx.change(subscription, latest_invoice=invoice["id"])
    emit(tx, "invoice.created", invoice)
    collecting.open_invoice(tx, invoice)
    if invoice["status"] == "open":
        collecting.collect(tx, invoice)
