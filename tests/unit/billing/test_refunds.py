"""What is given back is what was not used."""

from datetime import UTC, datetime, timedelta

import pytest

from billing.refunds import unused

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)


@pytest.mark.parametrize(
    ("after", "amount"),
    [
        (timedelta(days=-1), 1000),
        (timedelta(0), 1000),
        (timedelta(days=15), 500),
        (timedelta(days=15, seconds=1), 500),  # rounded in the payer's favour
        (timedelta(days=30, seconds=-1), 1),
        (timedelta(days=30), 0),
        (timedelta(days=99), 0),
    ],
)
def test_the_unused_share_of_a_payment(after, amount) -> None:
    assert unused(1000, START, END, int((START + after).timestamp())) == amount


def test_a_period_without_length_gives_back_nothing() -> None:
    assert unused(1000, START, START, int(START.timestamp())) == 0
