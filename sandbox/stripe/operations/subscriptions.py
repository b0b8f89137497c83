"""Subscriptions."""

from typing import Any

from sandbox.stripe.effects.cancelling import cancel_now, schedule_end
from sandbox.stripe.effects.cycle import schedule_turn
from sandbox.stripe.errors import StripeError, no_such
from sandbox.stripe.events import emit_update
from sandbox.stripe.lists import containing, page
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import (
    CREATED,
    PAGE,
    boolean,
    choice,
    either,
    hash_of,
    integer,
    merged_metadata,
    metadata,
    text,
)
from sandbox.stripe.store import Body, Transaction

_STATUSES = (
    "active",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)


def list_subscriptions(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/subscriptions: without a status, all that are not canceled."""
    status = given.get("status")
    wanted: list[tuple[str, list[Any]]] = []
    if status is None:
        wanted.append(("json_extract(body, '$.status') != ?", ["canceled"]))
    elif status == "ended":
        wanted.append(
            ("json_extract(body, '$.status') IN (?, ?)", ["canceled", "incomplete_expired"])
        )
    elif status != "all":
        wanted.append(("json_extract(body, '$.status') = ?", [status]))
    if "price" in given:
        wanted.append(containing("price.id", [given["price"]]))
    return page(tx, "subscription", "/v1/subscriptions", given, *wanted, filters=("customer",))


def update(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/subscriptions/{id}"""
    subscription = _living(tx, which)
    if "cancel_at" in given and "cancel_at_period_end" in given:
        raise StripeError(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
            param="cancel_at",
        )
    changes: Body = {}
    if "metadata" in given:
        changes["metadata"] = merged_metadata(subscription["metadata"], given["metadata"])
    if "description" in given:
        changes["description"] = given["description"]
    if "default_payment_method" in given:
        changes["default_payment_method"] = tx.get(
            "payment_method", given["default_payment_method"], param="default_payment_method"
        )["id"]
    changes |= schedule_end(tx, subscription, given)
    emit_update(
        tx, "customer.subscription.updated", subscription, tx.change(subscription, **changes)
    )
    schedule_turn(tx, subscription)
    return subscription


def cancel(tx: Transaction, given: Given, which: str) -> Body:
    """DELETE /v1/subscriptions/{id}: now."""
    subscription = _living(tx, which)
    cancel_now(tx, subscription, details=given.get("cancellation_details"))
    return subscription


def _living(tx: Transaction, which: str) -> Body:
    subscription = tx.get("subscription", which)
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise no_such("subscription", which)
    return subscription


_DETAILS = hash_of(
    {
        "comment": text(can_be_unset=True),
        "feedback": choice(
            "customer_service",
            "low_quality",
            "missing_features",
            "other",
            "switched_service",
            "too_complex",
            "too_expensive",
            "unused",
        ),
    }
)

OPERATIONS = (
    Operation(
        "GET",
        "/v1/subscriptions",
        list_subscriptions,
        {
            **PAGE,
            "created": CREATED,
            "customer": text(),
            "price": text(),
            "status": choice(*_STATUSES, "all", "ended"),
        },
    ),
    Operation("GET", "/v1/subscriptions/{id}", lambda tx, _, which: tx.get("subscription", which)),
    Operation(
        "POST",
        "/v1/subscriptions/{id}",
        update,
        {
            "cancel_at": either("", "min_period_end", "max_period_end", otherwise=integer()),
            "cancel_at_period_end": boolean,
            "cancellation_details": _DETAILS,
            "default_payment_method": text(),
            "description": text(500, can_be_unset=True),
            "metadata": metadata,
        },
    ),
    # Without prorations in the sandbox yet, both switches may only be off.
    Operation(
        "DELETE",
        "/v1/subscriptions/{id}",
        cancel,
        {
            "cancellation_details": _DETAILS,
            "invoice_now": choice("false"),
            "prorate": choice("false"),
        },
    ),
)
