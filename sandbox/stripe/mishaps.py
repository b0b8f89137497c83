"""Lets a test be the cardholder's bank: it opens and closes disputes, and sends refunds back."""

from collections.abc import Callable
from typing import Any

import flask

from sandbox.stripe.effects import disputing
from sandbox.stripe.errors import StripeError
from sandbox.stripe.store import Body, Transaction
from sandbox.stripe.world import World


def add_to(blueprint: flask.Blueprint, world: World) -> None:
    """`disputes`, `disputes/<id>/close` and `refunds/<id>/fail`."""

    @blueprint.post("/disputes")
    def open_dispute() -> Any:
        """A `charge`, or a `payment_intent`'s; `reason`, `amount`, `inquiry=true`."""
        return _done(world, _open)

    @blueprint.post("/disputes/<dispute_id>/close")
    def close_dispute(dispute_id: str) -> Any:
        """`status` is won or lost, or warning_closed for an inquiry."""
        status = flask.request.form.get("status", "")
        return _done(
            world, lambda tx: disputing.close_dispute(tx, tx.get("dispute", dispute_id), status)
        )

    @blueprint.post("/refunds/<refund_id>/fail")
    def fail_refund(refund_id: str) -> Any:
        """The refund did not arrive."""
        return _done(world, lambda tx: disputing.fail_refund(tx, tx.get("refund", refund_id)))


def _open(tx: Transaction) -> Body:
    form = flask.request.form
    charge_id = form.get("charge")
    if not charge_id:
        intent = tx.get("payment_intent", form.get("payment_intent", ""), param="payment_intent")
        charge_id = intent["latest_charge"] or ""
    reason = form.get("reason", "fraudulent")
    if reason not in disputing.REASONS:
        raise StripeError(f"reason must be one of {', '.join(disputing.REASONS)}.", param="reason")
    return disputing.open_dispute(
        tx,
        tx.get("charge", charge_id, param="charge"),
        amount=int(form["amount"]) if "amount" in form else None,
        reason=reason,
        inquiry=form.get("inquiry") == "true",
    )


def _done(world: World, what: Callable[[Transaction], Body]) -> Any:
    world.runner.catch_up()
    try:
        with world.store.writing() as tx:
            return what(tx)
    except StripeError as refused:
        return refused.body, refused.status
