"""Which events tell of a period that has turned, and of nothing else. Pure: reads a payload only.

Such an event changes nothing that anybody is told: what was paid says how far Premium goes, and
Stripe charges an hour after the turn.
"""

from datetime import UTC, datetime
from typing import Any

_MOVING = ("current_period_start", "current_period_end")
_NAMED = {"items", "latest_invoice"}


def turned_to(kind: str, payload: dict[str, Any]) -> datetime | None:
    """The end of the period that has begun; None for an event that may tell of more than that."""
    if kind != "customer.subscription.updated":
        return None
    try:
        found, previous = payload["data"]["object"], payload["data"]["previous_attributes"]
        if "items" not in previous or not set(previous) <= _NAMED:
            return None
        items, before = found["items"]["data"], previous["items"]["data"]
        if [_still(item) for item in items] != [_still(item) for item in before]:
            return None
        return datetime.fromtimestamp(max(item["current_period_end"] for item in items), UTC)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        return None


def _still(item: dict[str, Any]) -> dict[str, Any]:
    """What of an item does not move when its period turns."""
    return {name: value for name, value in item.items() if name not in _MOVING}
