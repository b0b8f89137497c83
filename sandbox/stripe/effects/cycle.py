"""Turns a subscription's periods: renews, ends trials, charges, and ends what was to end."""

import copy

from sandbox.stripe.due import schedule
from sandbox.stripe.effects import collecting, invoicing
from sandbox.stripe.effects.cancelling import cancel_now
from sandbox.stripe.effects.invoicing import CHARGE
from sandbox.stripe.effects.periods import next_boundary
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit
from sandbox.stripe.store import Body, Transaction

WARN = "subscription.trial_will_end"

_WARNED_BEFORE = 3 * 86400
# Stripe leaves a renewal's draft open for about an hour before it finalizes and charges it.
_DRAFT_SECONDS = 3600


def schedule_warning(tx: Transaction, subscription: Body) -> None:
    """Have the end of a trial announced three days before, or at once if it is nearer."""
    due_at = max(tx.now, subscription["trial_end"] - _WARNED_BEFORE)
    schedule(tx, WARN, subscription["id"], due_at=due_at)


def warn(tx: Transaction, subscription_id: str) -> None:
    """The trial ends soon."""
    subscription = tx.get("subscription", subscription_id)
    if subscription["status"] == "trialing":
        emit(tx, "customer.subscription.trial_will_end", subscription)


def turn(tx: Transaction, subscription_id: str) -> None:
    """The end of a period: the end of the subscription, or a new period and its draft invoice."""
    subscription = tx.get("subscription", subscription_id)
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= tx.now:
        cancel_now(tx, subscription)
        return
    customer = tx.get("customer", subscription["customer"])
    items, period_start = _next_period(tx, subscription)
    renewed = {**subscription, "items": items}
    invoice = invoicing.draft(
        tx, customer, renewed, reason="subscription_cycle", since=period_start
    )
    # Nobody expects money of who has not paid for long: the drafts of an unpaid one stay drafts.
    collected = subscription["status"] != "unpaid"
    charged_at = tx.now + _DRAFT_SECONDS if collected else None
    tx.change(invoice, auto_advance=collected, automatically_finalizes_at=charged_at)
    status = "active" if subscription["status"] == "trialing" else subscription["status"]
    previous = tx.change(subscription, items=items, latest_invoice=invoice["id"], status=status)
    emit(tx, "customer.subscription.updated", subscription, previous)
    emit(tx, "invoice.created", invoice)
    if charged_at is not None:
        schedule(tx, CHARGE, invoice["id"], due_at=charged_at)
    schedule_turn(tx, subscription)


def charge(tx: Transaction, invoice_id: str) -> None:
    """Finalize a renewal's draft and collect it; a refusal makes the subscription past due."""
    invoice = tx.get("invoice", invoice_id)
    collecting.open_invoice(tx, invoice)
    if invoice["status"] == "open":
        collecting.collect(tx, invoice)


def _next_period(tx: Transaction, subscription: Body) -> tuple[Body, int]:
    """The items with their new periods, and when the period that ends now began."""
    items = copy.deepcopy(subscription["items"])
    began = tx.now
    for item in items["data"]:
        ends = item["current_period_end"]
        if ends <= tx.now:
            began = item["current_period_start"]
            item["current_period_start"] = ends
            item["current_period_end"] = next_boundary(
                subscription["billing_cycle_anchor"], item["price"]["recurring"], ends
            )
    return items, began
