"""Has what belongs to a test clock live by that clock, and advances it in time order."""

from sandbox.stripe.events import emit
from sandbox.stripe.store import Body, Transaction

KIND = "test_helpers.test_clock"

# Parameters whose objects say by which clock a request lives.
_TELLING = ("customer", "subscription", "invoice", "payment_intent", "charge", "payment_method")


def enter(tx: Transaction, *object_ids: object) -> None:
    """Live by the test clock to which one of these objects belongs, if there is one."""
    for object_id in object_ids:
        if isinstance(object_id, str) and (found := _clock_of(tx, object_id)):
            if tx.test_clock is None:
                tx.live_by(found["id"], found["frozen_time"])
            return


def enter_for(tx: Transaction, given: Body, object_id: str) -> None:
    """Live by the test clock that a request is about."""
    enter(tx, given.get(KIND.split(".")[1]), object_id, *(given.get(name) for name in _TELLING))


def advancing(tx: Transaction) -> list[Body]:
    """The clocks that are on their way to an instant."""
    return tx.select(KIND, "json_extract(body, '$.status') = 'advancing'")


def target_of(clock: Body) -> int:
    """The instant to which a clock is on its way."""
    return int(clock["status_details"]["advancing"]["target_frozen_time"])


def arrive(tx: Transaction, clock: Body) -> None:
    """All that was due is done: the clock stands where it was sent."""
    tx.live_by(clock["id"], target_of(clock))
    tx.change(clock, frozen_time=tx.now, status="ready", status_details={})
    emit(tx, "test_helpers.test_clock.ready", clock)


def _clock_of(tx: Transaction, object_id: str) -> Body | None:
    found = tx.record(object_id)
    if found is None:
        return None
    body = found.body
    if body["object"] == KIND:
        return None if body.get("deleted") else body
    named = body.get("test_clock")
    if named is None and isinstance(body.get("customer"), str):
        customer = tx.record(body["customer"])
        named = customer.body.get("test_clock") if customer else None
    clock = tx.record(named) if named else None
    return clock.body if clock and not clock.body.get("deleted") else None
