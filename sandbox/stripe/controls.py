"""Lets a test decide when webhooks come and when the API fails. Stripe itself has none of this."""

import random
from collections.abc import Mapping
from typing import Any

import flask

from sandbox.stripe import faults
from sandbox.stripe.world import World

_ORDERS = ("as_made", "reversed", "shuffled")


def create_blueprint(world: World) -> flask.Blueprint:
    """Everything under /sandbox/stripe/."""
    blueprint = flask.Blueprint("stripe_controls", __name__, url_prefix="/sandbox/stripe")
    _add_webhooks(blueprint, world)
    _add_faults(blueprint, world)
    return blueprint


def _add_webhooks(blueprint: flask.Blueprint, world: World) -> None:
    deliverer = world.deliverer

    @blueprint.post("/webhooks/hold")
    def hold() -> dict[str, Any]:
        """From now on events wait."""
        deliverer.hold()
        return {"held": True}

    @blueprint.post("/webhooks/resume")
    def resume() -> dict[str, Any]:
        """Events flow again, and those that waited come first."""
        deliverer.resume()
        return {"held": False}

    @blueprint.post("/webhooks/drop")
    def drop() -> dict[str, Any]:
        """What waits is never delivered, as after three days of failure."""
        with world.store.writing() as tx:
            dropped = tx.db.execute(
                "UPDATE deliveries SET state = 'failed' WHERE state = 'pending'"
            ).rowcount
        return {"dropped": dropped}

    @blueprint.post("/webhooks/deliver")
    def deliver() -> dict[str, Any]:
        """Deliver what waits, one after the other: `order`, `times` each, `seed` of a shuffle."""
        waiting = _in_order(deliverer.pending(), flask.request.form)
        attempts = [deliverer.deliver(delivery, again=True) for delivery in waiting]
        return {
            "attempts": [
                {"event": attempt.event, "type": attempt.type, "status": attempt.status}
                for attempt in attempts
                if attempt is not None
            ]
        }


def _in_order(waiting: list[int], form: Mapping[str, str]) -> list[int]:
    order = form.get("order", "as_made")
    if order not in _ORDERS:
        flask.abort(400, f"order must be one of {', '.join(_ORDERS)}")
    ordered = waiting * int(form.get("times", "1"))
    if order == "reversed":
        ordered.reverse()
    elif order == "shuffled":
        random.Random(form.get("seed", "0")).shuffle(ordered)
    return ordered


def _add_faults(blueprint: flask.Blueprint, world: World) -> None:
    @blueprint.post("/faults")
    def plant() -> dict[str, Any]:
        """The next `times` calls (of a `method`, below a `path`) meet a fault of this `kind`."""
        form = flask.request.form
        if form.get("kind") not in faults.KINDS:
            flask.abort(400, f"kind must be one of {', '.join(faults.KINDS)}")
        world.faults.plant(
            form["kind"],
            times=int(form.get("times", "1")),
            method=form.get("method", ""),
            path=form.get("path", "/v1/"),
        )
        return {"planted": form["kind"]}

    @blueprint.delete("/faults")
    def clear() -> dict[str, Any]:
        """All calls succeed again."""
        world.faults.clear()
        return {"planted": None}
