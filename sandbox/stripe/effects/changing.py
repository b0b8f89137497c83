"""Works out what a change of a subscription brings, for the change itself and for its preview."""

import copy
import dataclasses
from typing import Any

from sandbox.stripe.effects import invoicing, proration
from sandbox.stripe.effects.periods import next_boundary
from sandbox.stripe.errors import StripeError
from sandbox.stripe.objects.proration import Part
from sandbox.stripe.objects.subscription import subscription_item
from sandbox.stripe.params import merged_metadata
from sandbox.stripe.store import Body, Transaction

# The parameters that this module reads.
MEANT = ("items", "trial_end", "billing_cycle_anchor", "proration_behavior", "proration_date")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a change sets on the subscription, and what it bills."""

    changes: Body
    prorations: list[Part]
    # Whether an invoice is made at once, or the prorations wait for the next one.
    invoiced: bool
    # Whether periods begin now, and whether they are a trial.
    begins: bool
    trial: bool = False


def plan(tx: Transaction, subscription: Body, given: dict[str, Any]) -> Plan:
    """What a change of items, trial or anchor brings; raises StripeError."""
    old = subscription["items"]["data"]
    at = _instant(tx, old, given)
    new = _items(tx, subscription, given.get("items", []))
    behavior = given.get("proration_behavior", "create_prorations")
    trial_end = given.get("trial_end")
    if isinstance(trial_end, int):
        return _on_trial(tx, subscription, new, trial_end, at=at, prorated=behavior != "none")
    on_trial = subscription["status"] == "trialing" and trial_end is None
    if on_trial:
        return Plan({"items": _listed(subscription, new)}, [], invoiced=False, begins=False)
    anew = trial_end == "now" or _named(given.get("billing_cycle_anchor")) == "now"
    if anew or _recurring(old) != _recurring(new):
        given_back = _credits(tx, old, at) if behavior != "none" else []
        return _anew(tx, subscription, new, given_back, ends_trial=trial_end == "now")
    parts = _differences(tx, old, new, at) if behavior != "none" else []
    invoiced = behavior == "always_invoice" and bool(parts)
    return Plan({"items": _listed(subscription, new)}, parts, invoiced=invoiced, begins=False)


def lines(tx: Transaction, subscription: Body, plan_: Plan) -> list[Body]:
    """The lines of periods that a plan begins; `subscription` is as the plan leaves it."""
    if not plan_.begins:
        return []
    return invoicing.period_lines(tx, subscription, at=tx.now, trial=plan_.trial)


def _on_trial(
    tx: Transaction,
    subscription: Body,
    items: list[Body],
    ends: int,
    *,
    at: int,
    prorated: bool,
) -> Plan:
    if ends <= tx.now:
        raise StripeError("Invalid timestamp: must be in the future", param="trial_end")
    running = subscription["status"] == "trialing"
    given_back = _credits(tx, subscription["items"]["data"], at) if prorated else []
    for item in items:
        item["current_period_end"] = ends
        if not running:
            item["current_period_start"] = tx.now
    changes = {
        "billing_cycle_anchor": ends,
        "items": _listed(subscription, items),
        "status": "trialing",
        "trial_end": ends,
        "trial_start": subscription["trial_start"] if running else tx.now,
    }
    return Plan(changes, given_back, invoiced=not running, begins=not running, trial=True)


def _anew(
    tx: Transaction,
    subscription: Body,
    items: list[Body],
    given_back: list[Part],
    *,
    ends_trial: bool,
) -> Plan:
    for item in items:
        item["current_period_start"] = tx.now
        item["current_period_end"] = next_boundary(tx.now, item["price"]["recurring"], tx.now)
    changes: Body = {"billing_cycle_anchor": tx.now, "items": _listed(subscription, items)}
    if ends_trial and subscription["status"] == "trialing":
        changes |= {"status": "active", "trial_end": tx.now}
    return Plan(changes, given_back, invoiced=True, begins=True)


def _differences(tx: Transaction, old: list[Body], new: list[Body], at: int) -> list[Part]:
    """Credits for what ends or changes within its period, debits for what takes its place."""
    before = {item["id"]: item for item in old}
    after = {item["id"]: item for item in new}
    parts = []
    for name in [*before, *(name for name in after if name not in before)]:
        was, becomes = before.get(name), after.get(name)
        if was and becomes and _sold(was) == _sold(becomes):
            continue
        parts += proration.credit(tx, was, at=at) if was else []
        parts += proration.debit(tx, becomes, at=at) if becomes else []
    return parts


def _credits(tx: Transaction, items: list[Body], at: int) -> list[Part]:
    return [part for item in items for part in proration.credit(tx, item, at=at)]


def _items(tx: Transaction, subscription: Body, given: list[dict[str, Any]]) -> list[Body]:
    """The items as the request leaves them, with the periods that they have."""
    items: list[Body] = copy.deepcopy(subscription["items"]["data"])
    for number, wanted in enumerate(given):
        where = f"items[{number}]"
        known = [item for item in items if item["id"] == wanted.get("id")]
        if "id" in wanted and not known:
            raise StripeError(
                f"No such subscription_item: '{wanted['id']}'",
                code="resource_missing",
                param=f"{where}[id]",
            )
        if wanted.get("deleted"):
            items = [item for item in items if item not in known]
        elif known:
            items[items.index(known[0])] = _changed(tx, subscription, known[0], wanted, where)
        else:
            items.append(_added(tx, subscription, wanted, where))
    if not items:
        raise StripeError("A subscription must have at least one active plan.", param="items")
    return items


def _changed(
    tx: Transaction, subscription: Body, item: Body, wanted: dict[str, Any], where: str
) -> Body:
    price = _price(tx, subscription, wanted, where) if "price" in wanted else item["price"]
    made = subscription_item(
        tx,
        subscription_id=subscription["id"],
        price=price,
        quantity=wanted["quantity"] if "quantity" in wanted else item["quantity"],
        period=(item["current_period_start"], item["current_period_end"]),
    )
    noted = merged_metadata(item["metadata"], wanted["metadata"]) if "metadata" in wanted else None
    return {
        **item,
        **{name: made[name] for name in ("price", "plan", "quantity")},
        "metadata": item["metadata"] if noted is None else noted,
    }


def _added(tx: Transaction, subscription: Body, wanted: dict[str, Any], where: str) -> Body:
    if "price" not in wanted:
        raise StripeError(f"Missing required param: {where}[price].", param=f"{where}[price]")
    beside = subscription["items"]["data"][0]
    return subscription_item(
        tx,
        subscription_id=subscription["id"],
        price=_price(tx, subscription, wanted, where),
        quantity=wanted.get("quantity", 1),
        period=(beside["current_period_start"], beside["current_period_end"]),
    )


def _price(tx: Transaction, subscription: Body, wanted: dict[str, Any], where: str) -> Body:
    return recurring_price(
        tx, wanted["price"], currency=subscription["currency"], param=f"{where}[price]"
    )


def recurring_price(tx: Transaction, price_id: str, *, currency: str | None, param: str) -> Body:
    """A price that a subscription in this currency can have; raises StripeError."""
    price = tx.get("price", price_id, param=param)
    if not price["active"]:
        raise StripeError("The price specified is inactive.", param=param)
    if price["recurring"] is None:
        raise StripeError(
            "The price specified is set to `type=one_time` but this field only accepts prices "
            "with `type=recurring`.",
            param=param,
        )
    if currency not in (None, price["currency"]):
        raise StripeError(
            f"The price specified only supports `{price['currency']}`. This doesn't match the "
            f"expected currency: `{currency}`.",
            param=param,
        )
    return price


def _instant(tx: Transaction, items: list[Body], given: dict[str, Any]) -> int:
    at: int = given.get("proration_date", tx.now)
    starts = min(item["current_period_start"] for item in items)
    ends = max(item["current_period_end"] for item in items)
    if "proration_date" in given and not starts <= at <= ends:
        raise StripeError(
            "The `proration_date` must be within the current period.", param="proration_date"
        )
    return at


def _listed(subscription: Body, items: list[Body]) -> Body:
    return {**subscription["items"], "data": items}


def _sold(item: Body) -> tuple[str, int]:
    return item["price"]["id"], item["quantity"]


def _recurring(items: list[Body]) -> set[tuple[str, int]]:
    return {
        (item["price"]["recurring"]["interval"], item["price"]["recurring"]["interval_count"])
        for item in items
    }


def _named(anchor: object) -> object:
    return anchor.get("type") if isinstance(anchor, dict) else anchor
