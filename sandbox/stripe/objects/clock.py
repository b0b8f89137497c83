"""The shape of a test clock."""

from sandbox.stripe.store import Body, Transaction, new_id

_KEPT_SECONDS = 30 * 86400


def clock(tx: Transaction, *, frozen_time: int, name: str | None) -> Body:
    """A clock that stands still until it is advanced."""
    return {
        "id": new_id("clock"),
        "object": "test_helpers.test_clock",
        "created": tx.wall,
        "deletes_after": tx.wall + _KEPT_SECONDS,
        "frozen_time": frozen_time,
        "livemode": False,
        "name": name,
        "status": "ready",
        "status_details": {},
    }
