"""Makes a planned change of a subscription: bills it, and sets it now or once it is paid for."""

from sandbox.stripe.effects import changing, collecting, invoicing, pending
from sandbox.stripe.effects.changing import Plan
from sandbox.stripe.effects.collecting import Collected
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.objects.proration import invoice_item, line_of
from sandbox.stripe.store import Body, Transaction


def switch(
    tx: Transaction, subscription: Body, plan: Plan, *, others: Body, payment_behavior: str
) -> Collected:
    """Make the change, with `others` beside it; whether what it asks for was paid."""
    pending.drop(tx, subscription)
    customer = tx.get("customer", subscription["customer"])
    for part in plan.prorations:
        tx.insert(invoice_item(tx, customer, part))
    if not plan.invoiced:
        _set(tx, subscription, plan.changes | others)
        return Collected()
    becomes = {**subscription, **plan.changes}
    invoice = make_invoice(
        tx, customer, becomes, changing.lines(tx, becomes, plan), reason="subscription_update"
    )
    if payment_behavior == "pending_if_incomplete":
        return _once_paid(tx, subscription, plan, invoice)
    _set(tx, subscription, plan.changes | others | {"latest_invoice": invoice["id"]})
    emit(tx, "invoice.created", invoice)
    return _collect(tx, invoice, waits=payment_behavior == "default_incomplete")


def make_invoice(
    tx: Transaction, customer: Body, subscription: Body, lines: list[Body], *, reason: str
) -> Body:
    """A stored draft of what waits for the subscription's next invoice and of these lines."""
    waiting = invoicing.pending_items(tx, subscription["id"])
    invoice = invoicing.compose(
        tx,
        customer,
        subscription,
        [*(line_of(tx, item) for item in waiting), *lines],
        reason=reason,
    )
    for item in waiting:
        tx.change(item, invoice=invoice["id"])
    return tx.insert(invoice)


def _once_paid(tx: Transaction, subscription: Body, plan: Plan, invoice: Body) -> Collected:
    # Nothing changes but that there is an invoice; its payment, now or later, brings the rest.
    previous = tx.change(subscription, latest_invoice=invoice["id"])
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    pending.keep(tx, subscription, plan.changes, invoice)
    emit(tx, "invoice.created", invoice)
    collected = _collect(tx, invoice, waits=False)
    if not collected.paid:
        pending.show(tx, tx.get("subscription", subscription["id"]))
    return collected


def _collect(tx: Transaction, invoice: Body, *, waits: bool) -> Collected:
    collecting.open_invoice(tx, invoice)
    if invoice["status"] != "open":
        return Collected()
    if waits:
        collecting.await_payment(tx, invoice)
        return Collected()
    return collecting.collect(tx, invoice)


def _set(tx: Transaction, subscription: Body, changes: Body) -> None:
    previous = tx.change(subscription, **changes)
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    schedule_turn(tx, subscription)
