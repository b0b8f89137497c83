"""Which updates tell of a turned period and of nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from billing.turning import turned_to

UPDATED = "customer.subscription.updated"
APRIL, MAY = 1_806_570_000, 1_809_162_000


def event(previous: Any, **item: Any) -> dict[str, Any]:
    now = {"id": "si_1", "price": "price_1", "current_period_start": APRIL}
    items = {"data": [{**now, "current_period_end": MAY, **item}]}
    found = {"id": "sub_1", "status": "active", "items": items}
    return {"data": {"object": found, "previous_attributes": previous}}


def before(**item: Any) -> dict[str, Any]:
    old = {"id": "si_1", "price": "price_1", "current_period_start": 1, "current_period_end": APRIL}
    return {"data": [{**old, **item}]}


def test_a_period_that_has_turned() -> None:
    previous = {"items": before(), "latest_invoice": "in_1"}
    assert turned_to(UPDATED, event(previous)) == datetime.fromtimestamp(MAY, UTC)


@pytest.mark.parametrize(
    "previous",
    [
        {"items": before(price="price_0")},
        {"items": before(), "status": "past_due"},
        {"items": before(), "cancel_at": 1},
        {"items": {"data": []}},
        {"items": {}},
        {"items": None},
        {"latest_invoice": "in_1"},
        {},
        None,
        "text",
    ],
)
def test_whatever_may_tell_of_more(previous: Any) -> None:
    assert turned_to(UPDATED, event(previous)) is None


@pytest.mark.parametrize("end", [None, "soon", 10**30])
def test_strange_instants(end: Any) -> None:
    assert turned_to(UPDATED, event({"items": before()}, current_period_end=end)) is None


def test_other_events() -> None:
    assert turned_to("invoice.paid", event({"items": before()})) is None
    assert turned_to(UPDATED, {}) is None
    assert turned_to(UPDATED, {"data": None}) is None
