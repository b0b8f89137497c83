"""Test clocks: time of their own for the customers that belong to them."""

from sandbox.stripe.clocks import KIND
from sandbox.stripe.effects.periods import nth_boundary
from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import emit
from sandbox.stripe.lists import page
from sandbox.stripe.objects.clock import clock as shape
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.operations import customers
from sandbox.stripe.params import PAGE, integer, text
from sandbox.stripe.store import Body, Transaction

_URL = "/v1/test_helpers/test_clocks"
_TWO_YEARS = 2 * 366 * 86400
_RUNS = ("active", "past_due", "trialing", "unpaid")


def create(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/test_helpers/test_clocks"""
    made = shape(tx, frozen_time=given["frozen_time"], name=given.get("name"))
    return tx.insert(made)


def advance(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/test_helpers/test_clocks/{id}/advance: what falls due is done before the answer
    to the next request, and then the clock is ready."""
    clock = tx.get(KIND, which)
    target = given["frozen_time"]
    if clock["status"] != "ready":
        raise StripeError(
            "Test clock advancement underway - cannot perform modifications. Please try again "
            "when advancement is complete.",
            status=429,
        )
    if target <= clock["frozen_time"]:
        raise StripeError(
            "The test clock can only be advanced to a time in the future of its frozen time.",
            param="frozen_time",
        )
    _check_distance(tx, clock, target)
    details = {"advancing": {"target_frozen_time": target}}
    tx.change(clock, status="advancing", status_details=details)
    emit(tx, "test_helpers.test_clock.advancing", clock)
    return clock


def delete(tx: Transaction, _: Given, which: str) -> Body:
    """DELETE /v1/test_helpers/test_clocks/{id}: with everything that lives by it."""
    tx.get(KIND, which)
    for customer in _customers(tx, which):
        customers.delete(tx, {}, customer["id"])
    tx.db.execute("DELETE FROM due_actions WHERE clock = ?", (which,))
    remains = {"id": which, "object": KIND, "deleted": True}
    tx.delete(remains)
    return remains


def _check_distance(tx: Transaction, clock: Body, target: int) -> None:
    """Two intervals of the shortest subscription are the farthest, or two years without any."""
    furthest = [
        nth_boundary(clock["frozen_time"], item["price"]["recurring"], 2)
        for customer in _customers(tx, clock["id"])
        for subscription in tx.select(
            "subscription", "json_extract(body, '$.customer') = ?", [customer["id"]]
        )
        if subscription["status"] in _RUNS
        for item in subscription["items"]["data"]
    ]
    if target > min(furthest, default=clock["frozen_time"] + _TWO_YEARS):
        raise StripeError(
            "You cannot advance a test clock more than two intervals of its shortest subscription "
            "at once, or two years if it has none.",
            param="frozen_time",
        )


def _customers(tx: Transaction, which: str) -> list[Body]:
    return tx.select("customer", "json_extract(body, '$.test_clock') = ?", [which])


OPERATIONS = (
    Operation(
        "POST", _URL, create, {"frozen_time": integer(0), "name": text(300)}, ("frozen_time",)
    ),
    Operation("GET", _URL, lambda tx, given, _: page(tx, KIND, _URL, given), PAGE),
    Operation("GET", _URL + "/{id}", lambda tx, _, which: tx.get(KIND, which)),
    Operation("DELETE", _URL + "/{id}", delete, expands=False),
    Operation(
        "POST", _URL + "/{id}/advance", advance, {"frozen_time": integer(0)}, ("frozen_time",)
    ),
)
