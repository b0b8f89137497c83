"""Shows an invoice that is not made: of a change, by the code that makes it, or of a renewal."""

import copy
from typing import Any

from sandbox.stripe.effects import changing, invoicing, proration
from sandbox.stripe.effects.changing import Plan
from sandbox.stripe.effects.periods import next_boundary
from sandbox.stripe.objects.proration import Part, invoice_item, line_of
from sandbox.stripe.store import Body, Transaction, new_id

_NOTHING = Plan({}, [], invoiced=False, begins=False)


def preview(tx: Transaction, subscription: Body, customer: Body, given: dict[str, Any]) -> Body:
    """The invoice that a change makes at once, or else the next one with the change made."""
    if given.get("cancel_now"):
        return _of_end(tx, subscription, customer, given)
    changed = set(changing.MEANT) & set(given)
    plan = changing.plan(tx, subscription, given) if changed else _NOTHING
    becomes = {**subscription, **plan.changes}
    lines = _waiting(tx, subscription, customer, plan.prorations)
    if plan.invoiced:
        lines += changing.lines(tx, becomes, plan)
        made = _invoice(tx, customer, becomes, lines, at=tx.now)
    else:
        renewed, at = _renewed(becomes)
        lines += invoicing.period_lines(tx, renewed, at=at, trial=False)
        made = _invoice(tx, customer, renewed, lines, at=at)
    if plan.prorations:
        details = made["parent"]["subscription_details"]
        details["subscription_proration_date"] = given.get("proration_date", tx.now)
    return made


def preview_new(tx: Transaction, subscription: Body, customer: Body, *, trial: bool) -> Body:
    """The first invoice of a subscription that does not exist."""
    lines = invoicing.period_lines(tx, subscription, at=tx.now, trial=trial)
    return _invoice(tx, customer, subscription, lines, at=tx.now)


def _of_end(tx: Transaction, subscription: Body, customer: Body, given: dict[str, Any]) -> Body:
    at = given.get("proration_date", tx.now)
    parts = [
        part
        for item in subscription["items"]["data"]
        if given.get("proration_behavior", "create_prorations") != "none"
        for part in proration.credit(tx, item, at=at)
    ]
    lines = _waiting(tx, subscription, customer, parts)
    return _invoice(tx, customer, subscription, lines, at=tx.now)


def _waiting(tx: Transaction, subscription: Body, customer: Body, parts: list[Part]) -> list[Body]:
    """Lines for what waits already and for what the change would add to it."""
    waiting = invoicing.pending_items(tx, subscription["id"])
    waiting += [invoice_item(tx, customer, part) for part in parts]
    return [line_of(tx, item) for item in waiting]


def _renewed(subscription: Body) -> tuple[Body, int]:
    """The subscription as its next renewal leaves it, and when that is."""
    items = copy.deepcopy(subscription["items"])
    at = min(item["current_period_end"] for item in items["data"])
    for item in items["data"]:
        if item["current_period_end"] == at:
            item["current_period_start"] = at
            item["current_period_end"] = next_boundary(
                subscription["billing_cycle_anchor"], item["price"]["recurring"], at
            )
    return {**subscription, "items": items}, at


def _invoice(
    tx: Transaction, customer: Body, subscription: Body, lines: list[Body], *, at: int
) -> Body:
    made = invoicing.compose(tx, customer, subscription, lines, reason="upcoming")
    made["id"] = new_id("upcoming_in")
    for line in made["lines"]["data"]:
        line["invoice"] = made["id"]
    starts = [item["current_period_start"] for item in subscription["items"]["data"]]
    made.update(
        invoicing.with_balance(made, customer["balance"]),
        created=at,
        next_payment_attempt=at + 3600 if at > tx.now else at,
        period_end=at,
        period_start=min([*starts, at]),
        test_clock=customer["test_clock"],
    )
    return made
