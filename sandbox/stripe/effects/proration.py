"""Counts what a part of a period is worth: by the second, rounded to the nearest cent.

Half a cent is rounded away from zero. A credit gives back what was billed for the time, after its
discounts, and not what the price says today; so no sum of changes ever gives back more than was
billed.
"""

import datetime as dt

from sandbox.stripe.effects import invoicing, pending
from sandbox.stripe.objects.proration import Part
from sandbox.stripe.store import Body, Transaction


def share(amount: int, *, start: int, end: int, since: int) -> int:
    """What is left of an amount for [start, end) at `since`."""
    whole, left = end - start, end - min(max(since, start), end)
    if whole <= 0:
        return 0
    rounded = (2 * abs(amount) * left + whole) // (2 * whole)
    return rounded if amount >= 0 else -rounded


def credit(tx: Transaction, item: Body, *, at: int) -> list[Part]:
    """What was billed for the rest of an item's period, given back; nothing for a trial."""
    billed = _billed(tx, item, at)
    if billed is None:
        return []
    amount, period, credited = billed
    unused = share(amount, start=period["start"], end=period["end"], since=at)
    if not unused:
        return []
    words = f"Unused time on {_name(tx, item)} after {_day(at)}"
    return [Part(item, -unused, words, (at, period["end"]), credited)]


def debit(tx: Transaction, item: Body, *, at: int) -> list[Part]:
    """The rest of an item's period at the item's own price."""
    start, end = item["current_period_start"], item["current_period_end"]
    whole = item["price"]["unit_amount"] * item["quantity"]
    amount = share(whole, start=start, end=end, since=at)
    words = f"Remaining time on {_name(tx, item)} after {_day(at)}"
    return [Part(item, amount, words, (at, end))]


def _billed(tx: Transaction, item: Body, at: int) -> tuple[int, Body, Body] | None:
    """The last that was billed for an item over an instant: how much, for when, and where."""
    for waiting in reversed(invoicing.pending_items(tx, item["subscription"])):
        details = waiting["parent"]["subscription_details"]
        if _covers(details["subscription_item"], waiting, item, at):
            return (
                waiting["net_amount"],
                waiting["period"],
                {"invoice_item": waiting["id"], "type": "invoice_item"},
            )
    waits = pending.invoice_of(tx, tx.get("subscription", item["subscription"]))
    for invoice in invoicing.invoices_of(tx, item["subscription"]):
        if invoice["status"] == "void" or invoice["id"] == waits:
            continue
        for line in reversed(invoice["lines"]["data"]):
            details = line["parent"]["subscription_item_details"]
            if _covers(details["subscription_item"], line, item, at):
                where = {"invoice": invoice["id"], "invoice_line_items": [line["id"]]}
                credited = {"invoice_line_item_details": where, "type": "invoice_line_items"}
                off = sum(each["amount"] for each in line["discount_amounts"])
                return line["amount"] - off, line["period"], credited
    return None


def _covers(item_id: str, billed: Body, item: Body, at: int) -> bool:
    period = billed["period"]
    return bool(
        item_id == item["id"]
        and billed["amount"] >= 0
        and period["start"] <= at < period["end"] == item["current_period_end"]
    )


def _name(tx: Transaction, item: Body) -> str:
    name = tx.get("product", item["price"]["product"])["name"]
    return f"{item['quantity']} × {name}" if item["quantity"] > 1 else str(name)


def _day(instant: int) -> str:
    return dt.datetime.fromtimestamp(instant, dt.UTC).strftime("%d %b %Y")
