"""Pauses a subscription and lets it go on: no invoice is made and no period begins between."""

import copy

from sandbox.stripe.due import unschedule
from sandbox.stripe.effects.periods import next_boundary
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.store import Body, Transaction

# A resumption that nobody pays for in time is given up.
EXPIRE = "subscription.resumption"


def pause(tx: Transaction, subscription: Body, *, reason: str) -> None:
    """Stop at this instant; `reason` is Stripe's type of status_details.paused."""
    details = {"subscription": {"type": reason}, "transitioned_at": tx.now, "type": "subscription"}
    subscription["status_details"] = {"paused": details}
    previous = tx.change(subscription, status="paused")
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    emit(tx, "customer.subscription.paused", subscription)
    schedule_turn(tx, subscription)


def going_on(tx: Transaction, subscription: Body, *, anew: bool) -> Body:
    """What a resumption changes: a period from now, or the one around now that goes on."""
    anchor = tx.now if anew else subscription["billing_cycle_anchor"]
    items = copy.deepcopy(subscription["items"])
    for item in items["data"]:
        recurring = item["price"]["recurring"]
        if anew:
            item["current_period_start"] = tx.now
            item["current_period_end"] = next_boundary(anchor, recurring, tx.now)
            continue
        while item["current_period_end"] <= tx.now:
            item["current_period_start"] = item["current_period_end"]
            item["current_period_end"] = next_boundary(
                anchor, recurring, item["current_period_end"]
            )
    return {"billing_cycle_anchor": anchor, "items": items}


def resume(tx: Transaction, subscription: Body, *, status: str) -> None:
    """Let it go on as `status`, with the periods that the resumption was to bring."""
    unschedule(tx, EXPIRE, subscription["id"])
    private = tx.private(subscription["id"])
    changes = private.pop("resumption", {}).get("changes", {})
    tx.save_private(subscription["id"], private)
    subscription.pop("status_details", None)
    previous = tx.change(subscription, **changes, status=status)
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    emit(tx, "customer.subscription.resumed", subscription)
    schedule_turn(tx, subscription)
