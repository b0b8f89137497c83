"""Keeps a change that waits for its payment: applies it once paid, drops it after 23 hours."""

from sandbox.stripe.due import schedule, unschedule
from sandbox.stripe.effects import invoicing
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.store import Body, Transaction

EXPIRE = "subscription.pending_update"

KEPT_SECONDS = 23 * 3600


def keep(tx: Transaction, subscription: Body, changes: Body, invoice: Body) -> None:
    """Remember a change that the payment of an invoice brings about; nothing shows it yet."""
    private = tx.private(subscription["id"])
    private["pending"] = {"changes": changes, "invoice": invoice["id"]}
    tx.save_private(subscription["id"], private)


def show(tx: Transaction, subscription: Body) -> None:
    """The payment was not made at once: say what waits, and until when."""
    changes = tx.private(subscription["id"])["pending"]["changes"]
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    expires_at = min(tx.now + KEPT_SECONDS, *ends)
    waiting = {
        "billing_cycle_anchor": changes.get("billing_cycle_anchor"),
        "cancel_at_period_end": None,
        "discount": None,
        "discounts": None,
        "expires_at": expires_at,
        "metadata": None,
        "subscription_items": changes["items"]["data"] if "items" in changes else None,
        "trial_end": changes.get("trial_end"),
        "trial_from_plan": None,
    }
    previous = tx.change(subscription, pending_update=waiting)
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    schedule(tx, EXPIRE, subscription["id"], due_at=expires_at)


def invoice_of(tx: Transaction, subscription: Body) -> str | None:
    """The invoice whose payment a change waits for."""
    pending = tx.private(subscription["id"]).get("pending")
    return pending and str(pending["invoice"])


def apply(tx: Transaction, subscription: Body) -> None:
    """The invoice is paid: make the change."""
    changes = _take(tx, subscription)["changes"]
    shown = subscription["pending_update"] is not None
    previous = tx.change(subscription, **changes, pending_update=None)
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    if shown:
        emit(tx, "customer.subscription.pending_update_applied", subscription)
    schedule_turn(tx, subscription)


def expire(tx: Transaction, subscription_id: str) -> None:
    """Nobody paid in time: the subscription stays as it is."""
    subscription = tx.get("subscription", subscription_id)
    if drop(tx, subscription):
        emit(tx, "customer.subscription.pending_update_expired", subscription)


def drop(tx: Transaction, subscription: Body) -> bool:
    """Let a change that waits be, with its invoice; whether there was one."""
    if invoice_of(tx, subscription) is None:
        return False
    invoice = tx.get("invoice", _take(tx, subscription)["invoice"])
    if invoice["status"] in ("draft", "open"):
        invoicing.close(tx, invoice, "void")
    previous = tx.change(subscription, pending_update=None)
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    return True


def _take(tx: Transaction, subscription: Body) -> Body:
    unschedule(tx, EXPIRE, subscription["id"])
    private = tx.private(subscription["id"])
    taken: Body = private.pop("pending")
    tx.save_private(subscription["id"], private)
    return taken
