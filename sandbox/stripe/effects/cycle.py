"""Turns a subscription's periods: renews, ends trials, charges, and ends what was to end."""

import copy

from sandbox.stripe.cards import Decline, behaviour_of
from sandbox.stripe.due import schedule
from sandbox.stripe.effects import charging, invoicing
from sandbox.stripe.effects.cancelling import TURN, cancel_now
from sandbox.stripe.effects.periods import next_boundary
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.objects.intent import payment_intent
from sandbox.stripe.store import Body, Transaction

WARN = "subscription.trial_will_end"
CHARGE = "invoice.charge"

_WARNED_BEFORE = 3 * 86400
# Stripe leaves a renewal's draft open for about an hour before it finalizes and charges it.
_DRAFT_SECONDS = 3600
_NO_CARD = Decline("missing", "This customer has no attached payment source or default card.")


def schedule_turn(tx: Transaction, subscription: Body) -> None:
    """Have the next thing happen that time alone brings: a renewal, or the end."""
    instants = [item["current_period_end"] for item in subscription["items"]["data"]]
    if subscription["cancel_at"] is not None:
        instants.append(subscription["cancel_at"])
    schedule(tx, TURN, subscription["id"], due_at=min(instants))


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
    tx.change(invoice, automatically_finalizes_at=tx.now + _DRAFT_SECONDS)
    status = "active" if subscription["status"] == "trialing" else subscription["status"]
    previous = tx.change(subscription, items=items, latest_invoice=invoice["id"], status=status)
    emit(tx, "customer.subscription.updated", subscription, previous)
    emit(tx, "invoice.created", invoice)
    schedule(tx, CHARGE, invoice["id"], due_at=tx.now + _DRAFT_SECONDS)
    schedule_turn(tx, subscription)


def charge(tx: Transaction, invoice_id: str) -> None:
    """Finalize a renewal's draft and collect it; a refusal makes the subscription past due."""
    invoice = tx.get("invoice", invoice_id)
    details = invoice["parent"]["subscription_details"]
    subscription = tx.get("subscription", details["subscription"])
    if subscription["status"] == "canceled":
        emit_update(tx, "invoice.updated", invoice, tx.change(invoice, auto_advance=False))
        return
    customer = tx.get("customer", invoice["customer"])
    tx.change(invoice, automatically_finalizes_at=None)
    invoicing.finalize(tx, invoice, customer)
    intent = payment_intent(
        tx,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=customer["id"],
        description="Subscription update",
    )
    tx.insert(intent)
    decline = _collect(tx, intent, _method(subscription, customer))
    if decline is None:
        invoicing.settle(tx, invoice, intent)
        status = "active"
    else:
        invoicing.fail(tx, invoice)
        status = "past_due"
    emit_update(
        tx, "customer.subscription.updated", subscription, tx.change(subscription, status=status)
    )


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


def _method(subscription: Body, customer: Body) -> str | None:
    own: str | None = subscription["default_payment_method"]
    return own or customer["invoice_settings"]["default_payment_method"]


def _collect(tx: Transaction, intent: Body, method_id: str | None) -> Decline | None:
    if method_id is None:
        return _NO_CARD
    method = tx.get("payment_method", method_id)
    decline = behaviour_of(tx.private(method_id)).charge_decline
    charging.attempt(tx, intent, method, decline)
    return decline
