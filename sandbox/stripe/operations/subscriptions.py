"""Subscriptions."""

from typing import Any

from sandbox.stripe.effects import changing, discounting
from sandbox.stripe.effects.cancelling import schedule_end
from sandbox.stripe.effects.closing import end_now
from sandbox.stripe.effects.switching import switch
from sandbox.stripe.effects.timetable import schedule_turn
from sandbox.stripe.errors import StripeError, no_such
from sandbox.stripe.events import emit_update
from sandbox.stripe.lists import containing, page
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.operations.given import (
    CHANGES,
    DISCOUNT,
    PAYMENT_BEHAVIORS,
    TRIAL_SETTINGS,
    own_method,
    trial_settings,
)
from sandbox.stripe.operations.paying import refuse_incomplete
from sandbox.stripe.params import (
    CREATED,
    PAGE,
    boolean,
    choice,
    either,
    hash_of,
    integer,
    list_of,
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
    """POST /v1/subscriptions/{id}: what changes the money, and what is written beside it."""
    subscription = _living(tx, which)
    _check_update(given)
    others = _others(tx, subscription, given)
    behavior = given.get("payment_behavior", "allow_incomplete")
    if not set(changing.MEANT) & set(given):
        tell_update(tx, subscription, others)
        return subscription
    plan = changing.plan(tx, subscription, given)
    collected = switch(tx, subscription, plan, others=others, payment_behavior=behavior)
    subscription = tx.get("subscription", which)
    if behavior == "error_if_incomplete":
        refuse_incomplete(tx, subscription, collected)
    return subscription


def tell_update(tx: Transaction, subscription: Body, changes: Body) -> None:
    """Change what costs nothing."""
    previous = tx.change(subscription, **changes)
    emit_update(tx, "customer.subscription.updated", subscription, previous)
    schedule_turn(tx, subscription)


def _check_update(given: Given) -> None:
    if "cancel_at" in given and "cancel_at_period_end" in given:
        raise StripeError(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.",
            param="cancel_at",
        )
    if given.get("payment_behavior") == "pending_if_incomplete":
        unsupported = sorted(set(given) - {*changing.MEANT, "payment_behavior", "off_session"})
        if unsupported:
            raise StripeError(
                "When `payment_behavior` is set to `pending_if_incomplete`, you can only pass "
                f"supported params. `{unsupported[0]}` is not supported.",
                param=unsupported[0],
            )


def _others(tx: Transaction, subscription: Body, given: Given) -> Body:
    """The fields that a request sets and that no money depends on now."""
    changes: Body = {}
    if "metadata" in given:
        changes["metadata"] = merged_metadata(subscription["metadata"], given["metadata"])
    if "description" in given:
        changes["description"] = given["description"]
    if "default_payment_method" in given:
        method = given["default_payment_method"]
        changes["default_payment_method"] = own_method(
            tx, method, subscription["customer"], param="default_payment_method"
        )
    if "trial_settings" in given:
        changes["trial_settings"] = trial_settings(given)
    if "discounts" in given:
        changes["discounts"] = discounting.grant(tx, subscription, given["discounts"] or [])
    return changes | schedule_end(tx, subscription, given)


def cancel(tx: Transaction, given: Given, which: str) -> Body:
    """DELETE /v1/subscriptions/{id}: now."""
    subscription = _living(tx, which)
    end_now(
        tx,
        subscription,
        details=given.get("cancellation_details"),
        prorate=given.get("prorate", False),
        invoice_now=given.get("invoice_now", False),
    )
    return tx.get("subscription", which)


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
            **CHANGES,
            "cancel_at": either("", "min_period_end", "max_period_end", otherwise=integer()),
            "cancel_at_period_end": boolean,
            "cancellation_details": _DETAILS,
            "default_payment_method": text(),
            "description": text(500, can_be_unset=True),
            "discounts": either("", otherwise=list_of(DISCOUNT, 20)),
            "metadata": metadata,
            "off_session": boolean,
            "payment_behavior": choice(*PAYMENT_BEHAVIORS),
            "trial_settings": TRIAL_SETTINGS,
        },
    ),
    Operation(
        "DELETE",
        "/v1/subscriptions/{id}",
        cancel,
        {
            "cancellation_details": _DETAILS,
            "invoice_now": boolean,
            "prorate": boolean,
        },
    ),
)
