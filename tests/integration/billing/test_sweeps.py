"""What the sweeps ask every few seconds has an index of its own, however many rows there are."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import checkout, clock, intents, reminders, switching, webhooks
from connectivity.accounts import closing

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("due", "indexes"),
    [
        (webhooks.due, {"event_waiting"}),
        (intents.due, {"intent_waiting"}),
        (checkout.due, {"checkout_to_check"}),
        (switching.due, {"intent_of_switch"}),
        (reminders.due, {"subscription_trial_ends", "subscription_year_ends"}),
        (lambda _now: closing.due(), {"account_closing"}),
        (lambda now: closing.forget_addresses(now=now), {"account_to_forget"}),
    ],
)
def test_what_is_due_is_found_by_an_index(due: Callable[..., Any], indexes: set[str]) -> None:
    with CaptureQueriesContext(connection) as asked:
        due(clock.now())

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        plans = [_plan(cursor, query["sql"]) for query in asked]
    assert {name for name in indexes if any(f" {name} " in plan for plan in plans)} == indexes


def _plan(cursor: Any, sql: str) -> str:
    if not sql.startswith("SELECT"):
        return ""
    cursor.execute(f"EXPLAIN {sql}")
    return " ".join(line for (line,) in cursor.fetchall()) + " "
