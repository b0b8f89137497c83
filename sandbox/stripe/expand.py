"""Replaces ids by the objects that they name, where a request asks for it with expand[]."""

import json
from collections.abc import Callable, Mapping

from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import as_list
from sandbox.stripe.store import Body, Transaction


def _line_items(tx: Transaction, session: Body) -> Body:
    return as_list(
        tx.private(session["id"])["line_items"],
        url=f"/v1/checkout/sessions/{session['id']}/line_items",
    )


def _invoice_payments(tx: Transaction, invoice: Body) -> Body:
    found = tx.select("invoice_payment", "json_extract(body, '$.invoice') = ?", [invoice["id"]])
    return as_list(found, url="/v1/invoice_payments")


def _charge_refunds(tx: Transaction, charge: Body) -> Body:
    found = tx.select("refund", "json_extract(body, '$.charge') = ?", [charge["id"]])
    return as_list(found, url=f"/v1/charges/{charge['id']}/refunds")


def _customer_subscriptions(tx: Transaction, customer: Body) -> Body:
    found = tx.select(
        "subscription",
        "json_extract(body, '$.customer') = ? AND json_extract(body, '$.status') != 'canceled'",
        [customer["id"]],
    )
    return as_list(found, url=f"/v1/customers/{customer['id']}/subscriptions")


# Fields that an object has only when they are asked for.
_INCLUDABLE: Mapping[tuple[str, str], Callable[[Transaction, Body], Body]] = {
    ("checkout.session", "line_items"): _line_items,
    ("invoice", "payments"): _invoice_payments,
    ("charge", "refunds"): _charge_refunds,
    ("customer", "subscriptions"): _customer_subscriptions,
}


def expanded(tx: Transaction, body: Body, paths: list[str]) -> Body:
    """A copy of `body` in which each dotted path leads to objects instead of ids."""
    result: Body = json.loads(json.dumps(body))
    for path in paths:
        steps = path.split(".")
        if len(steps) - (steps[0] == "data") > 4:
            raise StripeError(
                f"You cannot expand more than 4 levels of a property: {path}", param="expand"
            )
        _expand(tx, result, steps, path)
    return result


def _expand(tx: Transaction, here: Body, steps: list[str], path: str) -> None:
    step, rest = steps[0], steps[1:]
    include = _INCLUDABLE.get((str(here.get("object")), step))
    if include is not None and not isinstance(here.get(step), dict):
        here[step] = include(tx, here)
    if step not in here:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    value = here[step]
    if isinstance(value, str):
        value = here[step] = _named(tx, value, path)
    if isinstance(value, list) and any(isinstance(each, str) for each in value):
        value = here[step] = [_named(tx, each, path) for each in value]
    for below in value if isinstance(value, list) else [value]:
        if rest and isinstance(below, dict):
            _expand(tx, below, rest, path)


def _named(tx: Transaction, object_id: str, path: str) -> Body:
    found = tx.record(object_id)
    if found is None:
        raise StripeError(f"This property cannot be expanded ({path}).", param="expand")
    return found.body
