"""Lets a test decide when webhooks come and when the API fails. Stripe itself has none of this."""

import random
from collections.abc import Mapping
from typing import Any

import flask

from sandbox.stripe import faults, mishaps, settings
from sandbox.stripe.settings import SETTINGS
from sandbox.stripe.store import new_id
from sandbox.stripe.world import World

_ORDERS = ("as_made", "reversed", "shuffled")


def create_blueprint(world: World) -> flask.Blueprint:
    """Everything under /sandbox/stripe/."""
    blueprint = flask.Blueprint("stripe_controls", __name__, url_prefix="/sandbox/stripe")
    _add_clock(blueprint, world)
    _add_pace(blueprint, world)
    _add_webhooks(blueprint, world)
    _add_secrets(blueprint, world)
    _add_faults(blueprint, world)
    mishaps.add_to(blueprint, world)
    _add_stats(blueprint, world)
    _add_settings(blueprint, world)
    return blueprint


def _add_clock(blueprint: flask.Blueprint, world: World) -> None:
    @blueprint.get("/clock")
    def clock() -> dict[str, Any]:
        """What time it is here, and when time alone next brings something about."""
        world.runner.catch_up()
        return {"now": world.clock.now(), "next_due": world.next_due()}


def _add_pace(blueprint: flask.Blueprint, world: World) -> None:
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


def _add_webhooks(blueprint: flask.Blueprint, world: World) -> None:
    deliverer = world.deliverer

    @blueprint.get("/webhooks")
    def waiting() -> dict[str, Any]:
        """What waits to be delivered, in the order in which it happened."""
        return {"data": deliverer.waiting()}

    @blueprint.post("/webhooks/drop")
    def drop() -> dict[str, Any]:
        """What waits, or what `events` names of it, is never delivered."""
        return {"dropped": deliverer.drop(_meant(world, flask.request.form))}

    @blueprint.post("/webhooks/deliver")
    def deliver() -> dict[str, Any]:
        """Deliver one after the other what waits, or what `events` names: event ids and types,
        with commas, in their order; `order`, `times` each, `seed` of a shuffle."""
        form = flask.request.form
        ordered = _in_order(_meant(world, form), form)
        attempts = [deliverer.deliver(delivery, again=True) for delivery in ordered]
        return {
            "attempts": [
                {"event": attempt.event, "type": attempt.type, "status": attempt.status}
                for attempt in attempts
                if attempt is not None
            ]
        }


def _meant(world: World, form: Mapping[str, str]) -> list[int]:
    if "events" not in form:
        return [each["delivery"] for each in world.deliverer.waiting()]
    return world.deliverer.chosen(filter(None, form["events"].split(",")))


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


def _add_secrets(blueprint: flask.Blueprint, world: World) -> None:
    @blueprint.post("/webhooks/roll")
    def roll() -> dict[str, Any]:
        """Give every endpoint a new secret (`secret`, or a fresh one) beside its old one, which a
        second call ends."""
        fresh = flask.request.form.get("secret") or f"whsec_{new_id('x')[2:]}"
        answer = {}
        with world.store.writing() as tx:
            for endpoint in tx.select("webhook_endpoint"):
                private = tx.private(endpoint["id"])
                if not private.pop("old_secret", None):
                    private |= {"old_secret": private["secret"], "secret": fresh}
                tx.save_private(endpoint["id"], private)
                answer[endpoint["id"]] = {
                    "secret": private["secret"],
                    "old_secret": private.get("old_secret"),
                }
        return answer


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
        """All calls succeed again, those that wait included."""
        world.faults.clear()
        return {"planted": None}

    @blueprint.get("/paused")
    def paused() -> dict[str, Any]:
        """The calls that a `pause` holds, with their idempotency key and their client's port."""
        return {"data": world.faults.paused()}

    @blueprint.post("/paused/<int:number>")
    def let_go(number: int) -> dict[str, Any]:
        """Let a call go on, or with `outcome=drop` cut it off: before its effect, or after it."""
        outcome = flask.request.form.get("outcome", faults.GO)
        if outcome not in (faults.GO, faults.DROP):
            flask.abort(400, f"outcome must be {faults.GO} or {faults.DROP}")
        return {"let_go": world.faults.let_go(number, outcome)}


def _add_stats(blueprint: flask.Blueprint, world: World) -> None:
    @blueprint.get("/stats")
    def stats() -> dict[str, Any]:
        """How often each operation was called, and how often that was too often."""
        return world.meter.counts()

    @blueprint.delete("/stats")
    def reset() -> dict[str, Any]:
        """Count from nought."""
        world.meter.reset()
        return world.meter.counts()


def _add_settings(blueprint: flask.Blueprint, world: World) -> None:
    @blueprint.get("/settings")
    def show() -> dict[str, Any]:
        """Every setting as it is."""
        with world.store.reading() as tx:
            return {name: settings.setting(tx, name) for name in SETTINGS}

    @blueprint.post("/settings")
    def change() -> dict[str, Any]:
        """Set those that the form names."""
        try:
            with world.store.writing() as tx:
                for name, value in flask.request.form.items():
                    settings.change(tx, name, value)
        except ValueError as wrong:
            flask.abort(400, str(wrong))
        return show()
