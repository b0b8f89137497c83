"""Keeps the instant of the next thing that time alone brings to a subscription."""

from sandbox.stripe.due import schedule, unschedule
from sandbox.stripe.store import Body, Transaction

TURN = "subscription.turn"

# Nothing is billed and no period begins in these.
_STILL = ("paused", "incomplete", "incomplete_expired", "canceled")


def schedule_turn(tx: Transaction, subscription: Body) -> None:
    """Have the next thing happen that time alone brings: a renewal, or the end."""
    instants = [item["current_period_end"] for item in subscription["items"]["data"]]
    if subscription["status"] in _STILL:
        instants = []
    if subscription["cancel_at"] is not None:
        instants.append(subscription["cancel_at"])
    if instants:
        schedule(tx, TURN, subscription["id"], due_at=max(tx.now, min(instants)))
    else:
        unschedule(tx, TURN, subscription["id"])
