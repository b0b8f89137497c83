"""Decides when an unpaid invoice is tried again, and what becomes of its subscription at last."""

from sandbox.stripe.due import schedule
from sandbox.stripe.effects import pausing
from sandbox.stripe.effects.cancelling import cancel_now
from sandbox.stripe.effects.invoicing import RETRY
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit_update
from sandbox.stripe.settings import setting
from sandbox.stripe.store import Body, Transaction


def count_attempt(tx: Transaction, invoice: Body, *, retried: bool) -> bool:
    """Note that collecting failed once more; whether that was for the last time.

    Like Stripe's own count, it goes by the schedule of retries: an attempt that somebody makes by
    hand between two of them does not count. `retried` says whether there is such a schedule.
    """
    number = invoice["attempt_count"] + 1
    days: list[int] = setting(tx, "retry_days")
    again = tx.now + 86400 * days[number - 1] if retried and number <= len(days) else None
    previous = tx.change(
        invoice,
        attempt_count=number,
        attempted=True,
        auto_advance=again is not None,
        next_payment_attempt=again,
    )
    emit_update(tx, "invoice.updated", invoice, previous)
    if again is not None:
        schedule(tx, RETRY, invoice["id"], due_at=again)
    return retried and again is None


def give_up(tx: Transaction, subscription: Body) -> None:
    """The last retry failed: do what the account's settings say."""
    after = setting(tx, "after_retries")
    if subscription["status"] != "past_due" or after == "past_due":
        return
    if after == "cancel":
        cancel_now(tx, subscription, reason="payment_failed")
    elif after == "pause":
        pausing.pause(tx, subscription, reason="final_payment_failure")
    else:
        previous = tx.change(subscription, status="unpaid")
        emit_update(tx, "customer.subscription.updated", subscription, previous)
        schedule_turn(tx, subscription)
