"""How fast we may ask Stripe: a token bucket in a row, shared by all workers.

It holds back what nobody waits for, so that what people wait for finds room: Stripe serves 25
reads a second of a kind and answers 429 beyond. It must never know what is asked.
"""

from datetime import datetime

from django.conf import settings
from django.db import connection

READS = "stripe_reads"
_TAKE = """
    INSERT INTO billing_budget AS budget (name, tokens, filled_at)
    VALUES (%(name)s, %(rate)s - 1, %(now)s)
    ON CONFLICT (name) DO UPDATE SET
        tokens = LEAST(%(rate)s, budget.tokens + %(rate)s * GREATEST(
            0, EXTRACT(EPOCH FROM EXCLUDED.filled_at - budget.filled_at))) - 1,
        filled_at = GREATEST(budget.filled_at, EXCLUDED.filled_at)
    WHERE budget.tokens + %(rate)s * GREATEST(
        0, EXTRACT(EPOCH FROM EXCLUDED.filled_at - budget.filled_at)) >= 1
"""


class Spent(Exception):
    """The budget of this second is spent; what it was for can wait."""


def take(name: str = READS, *, now: datetime) -> None:
    """Take one call from the budget, which holds a second's worth. Raises Spent."""
    rate = float(settings.STRIPE_READS_PER_SECOND)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"name": name, "rate": rate, "now": now})
        if not cursor.rowcount:
            raise Spent(f"{name}: {rate:g} calls a second are made already.")
