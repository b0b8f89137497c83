"""Ends subscriptions, now or at an instant to come."""

from typing import Any

from sandbox.stripe.due import unschedule
from sandbox.stripe.effects import invoicing, pending
from sandbox.stripe.effects.timetable import TURN
from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import emit
from sandbox.stripe.store import Body, Transaction


def cancel_now(
    tx: Transaction,
    subscription: Body,
    *,
    reason: str = "cancellation_requested",
    details: Body | None = None,
) -> None:
    """End it at this instant, for good; what is still unpaid is no longer collected."""
    pending.drop(tx, subscription)
    unschedule(tx, TURN, subscription["id"])
    ended_details = {**subscription["cancellation_details"], "reason": reason, **(details or {})}
    tx.change(
        subscription,
        canceled_at=subscription["canceled_at"] or tx.now,
        cancellation_details=ended_details,
        ended_at=tx.now,
        status="canceled",
    )
    emit(tx, "customer.subscription.deleted", subscription)
    invoicing.leave_all(tx, subscription["id"])


def schedule_end(tx: Transaction, subscription: Body, given: dict[str, Any]) -> Body:
    """What a request to end at an instant to come, or to go on after all, changes."""
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    details = subscription["cancellation_details"] | given.get("cancellation_details", {})
    if given.get("cancel_at_period_end"):
        cancel_at, at_period_end = max(ends), True
    elif given.get("cancel_at"):
        named = {"min_period_end": min(ends), "max_period_end": max(ends)}
        cancel_at, at_period_end = named.get(given["cancel_at"], given["cancel_at"]), False
        if cancel_at <= tx.now:
            raise StripeError("`cancel_at` must be in the future.", param="cancel_at")
    elif "cancel_at" in given or "cancel_at_period_end" in given:
        return {
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "cancellation_details": details | {"reason": None},
        }
    else:
        return {"cancellation_details": details}
    return {
        "cancel_at": cancel_at,
        "cancel_at_period_end": at_period_end,
        "canceled_at": tx.now,
        "cancellation_details": details | {"reason": "cancellation_requested"},
    }
