"""The grant follows money, not status."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from billing import policy
from billing.gateway import Invoice, Price, Subscription

START = datetime(2026, 11, 1, tzinfo=UTC)
PAID = datetime(2026, 12, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
PRICE = Price("price_1", "prod_1", "premium_monthly_usd", "usd", 1000, "month")


def invoice(status: str = "paid", until: datetime | None = PAID) -> Invoice:
    return Invoice("in_1", "A-1", status, "usd", 1000, 1000, START, START, until, "", "")


def subscription(status: str = "active", *invoices: Invoice, **facts) -> Subscription:
    base = Subscription(
        "sub_1", "cus_1", status, PRICE, START, PAID, None, None, None, "visa", "4242", invoices
    )
    return replace(base, **facts)


CASES = [
    ("paid and going on: grace", subscription("active", invoice()), PAID + WEEK),
    ("paid, the renewal failed: grace", subscription("past_due", invoice()), PAID + WEEK),
    (
        "the renewal's open invoice pays for nothing",
        subscription("active", invoice(), invoice("open", PAID + timedelta(days=31))),
        PAID + WEEK,
    ),
    ("an end is scheduled: no grace", subscription("active", invoice(), cancel_at=PAID), PAID),
    ("unpaid: no grace", subscription("unpaid", invoice()), PAID),
    ("paused: no grace", subscription("paused", invoice()), PAID),
    ("ended at the period's end", subscription("canceled", invoice(), ended_at=PAID), PAID),
    (
        "ended early",
        subscription("canceled", invoice(), ended_at=START + timedelta(days=3)),
        START + timedelta(days=3),
    ),
    (
        "ended late, after retries",
        subscription("canceled", invoice(), ended_at=PAID + 3 * WEEK),
        PAID,
    ),
    ("never paid", subscription("incomplete"), None),
    ("nothing but an open invoice", subscription("active", invoice("open")), None),
    ("a trial", subscription("trialing", trial_ends_at=PAID), PAID + WEEK),
    ("a status that Stripe has yet to invent", subscription("dormant", invoice()), PAID),
]


@pytest.mark.parametrize(("name", "fetched", "ends_at"), CASES, ids=[case[0] for case in CASES])
def test_until_when_the_grant_lasts(name, fetched, ends_at) -> None:
    assert policy.grant_ends_at(fetched) == ends_at
