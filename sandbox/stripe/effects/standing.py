"""Decides what an invoice's fate means for the standing of its subscription."""

from sandbox.stripe.due import unschedule
from sandbox.stripe.effects import invoicing, pausing, pending
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit_update
from sandbox.stripe.store import Body, Transaction

# An unpaid first invoice ends a subscription that never began.
LAPSE = "subscription.lapse"

_OWES = ("past_due", "unpaid")


def status_once_paid(tx: Transaction, subscription: Body) -> str:
    """`trialing` where a trial runs, `active` otherwise."""
    trial_end = subscription["trial_end"]
    return "trialing" if trial_end is not None and trial_end > tx.now else "active"


def waits_for(tx: Transaction, subscription: Body, invoice: Body) -> bool:
    """Whether a change or a resumption waits for the payment of just this invoice."""
    resumption = tx.private(subscription["id"]).get("resumption", {})
    return invoice["id"] in (pending.invoice_of(tx, subscription), resumption.get("invoice"))


def settled(tx: Transaction, subscription: Body, invoice: Body) -> None:
    """The invoice asks for nothing any more: it is paid, or was given up."""
    status = subscription["status"]
    if pending.invoice_of(tx, subscription) == invoice["id"]:
        pending.apply(tx, subscription)
    elif status == "paused" and waits_for(tx, subscription, invoice):
        pausing.resume(tx, subscription, status=status_once_paid(tx, subscription))
    elif subscription["latest_invoice"] == invoice["id"] and status in (*_OWES, "incomplete"):
        unschedule(tx, LAPSE, subscription["id"])
        _become(tx, subscription, status_once_paid(tx, subscription))
        schedule_turn(tx, subscription)


def given_up(tx: Transaction, subscription: Body, invoice: Body) -> None:
    """The invoice was made void or uncollectible: nothing waits for its payment any more."""
    if pending.invoice_of(tx, subscription) == invoice["id"]:
        pending.drop(tx, subscription)
    elif subscription["status"] == "incomplete" and invoice["status"] == "void":
        lapse(tx, subscription["id"])
    elif subscription["status"] == "paused" and invoice["status"] == "void":
        private = tx.private(subscription["id"])
        private.pop("resumption", None)
        tx.save_private(subscription["id"], private)
    else:
        settled(tx, subscription, invoice)


def lapse(tx: Transaction, subscription_id: str) -> None:
    """Nobody paid the first invoice in time: the subscription never began."""
    subscription = tx.get("subscription", subscription_id)
    unschedule(tx, LAPSE, subscription_id)
    if subscription["status"] != "incomplete":
        return
    previous = tx.change(subscription, ended_at=tx.now, status="incomplete_expired")
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    schedule_turn(tx, subscription)
    for invoice in invoicing.invoices_of(tx, subscription_id):
        if invoice["status"] in ("draft", "open"):
            invoicing.close(tx, invoice, "void")


def refused(tx: Transaction, subscription: Body, invoice: Body) -> None:
    """An attempt to collect the invoice failed, or waits for the cardholder."""
    resumption = tx.private(subscription["id"]).get("resumption", {})
    if pending.invoice_of(tx, subscription) == invoice["id"]:
        return
    if resumption.get("invoice") == invoice["id"] and subscription["status"] == "paused":
        if resumption["on"] == "resume_on_payment_attempt":
            pausing.resume(tx, subscription, status="past_due")
    elif subscription["status"] in ("active", "trialing"):
        _become(tx, subscription, "past_due")


def _become(tx: Transaction, subscription: Body, status: str) -> None:
    previous = tx.change(subscription, status=status)
    emit_update(tx, "customer.subscription.updated", subscription, previous)
