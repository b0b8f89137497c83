"""Begins a subscription that the API asked for, with its first invoice paid or waiting."""

from sandbox.stripe.due import schedule
from sandbox.stripe.effects import collecting, cycle, invoicing
from sandbox.stripe.effects.collecting import Collected
from sandbox.stripe.effects.periods import next_boundary
from sandbox.stripe.effects.standing import LAPSE
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit
from sandbox.stripe.objects import subscription as shapes
from sandbox.stripe.store import Body, Transaction

# An unpaid first invoice is waited for that long.
_WAITED_SECONDS = 23 * 3600


def build(
    tx: Transaction,
    customer: Body,
    sold: list[tuple[Body, int]],
    *,
    method: str | None,
    trial_end: int | None,
    data: Body,
) -> Body:
    """A subscription to prices and their quantities that begins now; not stored."""
    made = shapes.subscription(
        tx,
        customer=customer["id"],
        currency=sold[0][0]["currency"],
        method=method or "",
        trial_end=trial_end,
        data=data,
    )
    made["default_payment_method"] = method
    for price, quantity in sold:
        ends = trial_end or next_boundary(tx.now, price["recurring"], tx.now)
        item = shapes.subscription_item(
            tx,
            subscription_id=made["id"],
            price=price,
            quantity=quantity,
            period=(tx.now, ends),
        )
        made["items"]["data"].append(item)
    return made


def begin(tx: Transaction, customer: Body, subscription: Body, *, waits: bool) -> Collected:
    """Store it with its first invoice and collect that; `waits` leaves that to somebody."""
    trial = subscription["trial_end"] is not None
    if not trial:
        subscription["status"] = "incomplete"
    invoice = invoicing.draft(tx, customer, subscription, reason="subscription_create", trial=trial)
    subscription["latest_invoice"] = invoice["id"]
    emit(tx, "customer.subscription.created", tx.insert(subscription))
    schedule_turn(tx, subscription)
    if trial:
        cycle.schedule_warning(tx, subscription)
    else:
        schedule(tx, LAPSE, subscription["id"], due_at=tx.now + _WAITED_SECONDS)
    emit(tx, "invoice.created", invoice)
    collecting.open_invoice(tx, invoice)
    if invoice["status"] != "open":
        return Collected()
    if waits:
        tx.change(invoice, auto_advance=False)
        return Collected()
    return collecting.collect(tx, invoice)
