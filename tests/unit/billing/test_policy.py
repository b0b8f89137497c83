"""The grant follows money, not status; the table is what docs/policy.md shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from billing import policy
from billing.gateway import Invoice, Line, Price, Subscription
from billing.models import Subscription as Mirror
from billing.policy import Money

START = datetime(2026, 11, 1, tzinfo=UTC)
PAID = datetime(2026, 12, 1, tzinfo=UTC)
YEAR = datetime(2027, 11, 16, tzinfo=UTC)
HALF = datetime(2026, 11, 16, tzinfo=UTC)
WEEK = timedelta(days=7)
PRICE = Price("price_1", "prod_1", "premium_monthly_usd", "usd", 1000, "month")
DOCUMENT = Path(__file__).parents[3] / "docs" / "policy.md"


def line(starts_at: datetime, ends_at: datetime, amount: int = 1000) -> Line:
    return Line(starts_at, ends_at, amount)


def invoice(
    status: str = "paid", *lines: Line, name: str = "in_1", at: datetime = START
) -> Invoice:
    return Invoice(
        id=name,
        number="A-1",
        status=status,
        reason="subscription_cycle",
        currency="usd",
        total=1000,
        tax=0,
        amount_paid=1000,
        created_at=at,
        attempts=1,
        next_attempt_at=None,
        action_required=False,
        lines=lines or (line(START, PAID),),
        hosted_url="",
        pdf_url="",
    )


def subscription(status: str = "active", *invoices: Invoice, **facts) -> Subscription:
    base = Subscription(
        id="sub_1",
        customer="cus_1",
        status=status,
        price=PRICE,
        created_at=START,
        period_ends_at=PAID,
        trial_ends_at=None,
        cancel_at=None,
        ended_at=None,
        card_brand="visa",
        card_last4="4242",
        discount=None,
        invoices=invoices,
    )
    return replace(base, **facts)


NEXT = invoice("paid", line(PAID, PAID + timedelta(days=31)), name="in_2", at=PAID)
# Half of the month is credited, and a year begins: what Stripe invoices for a change of plan.
TO_YEARLY = invoice("paid", line(HALF, PAID, -500), line(HALF, YEAR, 10000), name="in_2", at=HALF)
# The other way round, as staff can do it in Stripe's dashboard: most of a year is taken back.
TO_MONTHLY = invoice(
    "paid", line(PAID, YEAR, -9500), line(PAID, PAID + timedelta(days=31)), name="in_3", at=PAID
)

CASES = [
    ("paid and going on: grace", subscription("active", invoice()), PAID + WEEK),
    ("paid, the renewal failed: grace", subscription("past_due", invoice()), PAID + WEEK),
    (
        "the renewal's open invoice pays for nothing",
        subscription("active", invoice(), replace(NEXT, status="open")),
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
    (
        "free time that was added to a paid period",
        subscription("trialing", invoice(), trial_ends_at=PAID + WEEK),
        PAID + 2 * WEEK,
    ),
    (
        "a change to a year: the rest of the month is credited",
        subscription("active", invoice(), TO_YEARLY),
        YEAR + WEEK,
    ),
    (
        "a year that was taken back does not go on",
        subscription("active", invoice(), TO_YEARLY, TO_MONTHLY),
        PAID + timedelta(days=31) + WEEK,
    ),
    ("a status that Stripe has yet to invent", subscription("dormant", invoice()), PAID),
]


@pytest.mark.parametrize(("name", "fetched", "ends_at"), CASES, ids=[case[0] for case in CASES])
def test_until_when_the_grant_lasts(name, fetched, ends_at) -> None:
    assert policy.grant_ends_at(fetched) == ends_at


def test_a_bank_that_holds_a_payment_ends_the_grace() -> None:
    fetched = subscription("active", invoice())
    assert policy.grant_ends_at(fetched, Money(disputed=frozenset({"in_1"}))) == PAID
    assert policy.grant_ends_at(fetched, Money(disputed=frozenset({"in_9"}))) == PAID + WEEK


def test_a_payment_that_a_bank_took_back_pays_for_nothing() -> None:
    lost = Money(lost=frozenset({"in_1"}))
    assert policy.grant_ends_at(subscription("active", invoice()), lost) is None
    both = subscription("active", invoice(), NEXT)
    assert policy.grant_ends_at(both, lost) == PAID + timedelta(days=31)  # It does not renew.


def test_time_that_a_pause_gave_back_is_not_paid() -> None:
    given_back = Line(PAID - timedelta(days=10), PAID, -333)
    fetched = replace(subscription("paused", invoice()), credited=(given_back,))
    assert policy.grant_ends_at(fetched) == PAID - timedelta(days=10)


def test_what_was_paid_since_the_fetch_counts() -> None:
    later = Money(also=(PAID + timedelta(days=31),))
    fetched = subscription("active", invoice(), replace(NEXT, status="draft"))
    assert policy.grant_ends_at(fetched, later) == PAID + timedelta(days=31) + WEEK


def test_there_is_a_rule_for_each_status_that_stripe_has() -> None:
    assert set(policy.STATUSES) == {value for value in Mirror.Status.values if value}


def test_the_document_shows_the_table() -> None:
    rows = [f"| {rule.case} | {rule.until} | {rule.told} |" for rule in policy.POLICY]
    shown = [row for row in DOCUMENT.read_text().splitlines() if row.startswith("| ")]
    assert shown[1:] == rows


def test_time_that_was_put_off_falls_with_the_payment_it_stands_on() -> None:
    """As after a change at the paid end, or days that were added: a trial, invoiced for nothing."""
    later = PAID + WEEK
    put_off = invoice("paid", line(HALF, later, 0), name="in_2", at=HALF)
    it = subscription("trialing", invoice(), put_off, trial_ends_at=later)
    assert policy.grant_ends_at(it) == later + WEEK
    assert policy.grant_ends_at(it, Money(lost=frozenset({"in_1"}))) is None

    after = replace(NEXT, id="in_0", created_at=START - WEEK, lines=(line(START - WEEK, START),))
    older = subscription("trialing", after, invoice(), put_off, trial_ends_at=later)
    assert policy.paid_through(older, Money(lost=frozenset({"in_0"}))) == later


def test_a_first_trial_does_not_fall_with_the_payment_after_it() -> None:
    it = subscription("active", invoice(), trial_ends_at=START)
    assert policy.paid_through(it, Money(lost=frozenset({"in_1"}))) == START


def test_a_lost_payment_for_a_change_leaves_what_the_old_period_pays_for() -> None:
    it = subscription("active", invoice(), TO_YEARLY)
    assert policy.paid_through(it, Money(lost=frozenset({"in_2"}))) == PAID
