"""Sums and their parts agree to the cent."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from sandbox.stripe.objects.totals import Part, Tax, levy, reduce, rounded, shared

AMOUNTS = st.lists(st.integers(0, 100_000), min_size=1, max_size=6)


@given(AMOUNTS, st.integers(1, 1000), st.integers(0, 5000))
def test_parts_add_up_to_what_was_taken_off_and_put_on(amounts, permille, hundredths):
    parts = [Part(amount, "prod") for amount in amounts]
    coupon = {"percent_off": permille / 10, "amount_off": None, "currency": None}
    reduce(parts, [("di", coupon)], "usd")
    off = sum(part.off.get("di", 0) for part in parts)
    assert off == rounded(Fraction(sum(amounts) * permille, 1000))
    assert all(0 <= part.net <= part.amount for part in parts)
    levy(parts, Tax(Fraction(hundredths, 100), "standard_rated"))
    net = sum(amounts) - off
    assert sum(part.tax for part in parts) == rounded(Fraction(net * hundredths, 10_000))


@given(AMOUNTS, st.integers(1, 200_000))
def test_an_amount_off_takes_no_more_than_there_is(amounts, off):
    parts = [Part(amount, "prod") for amount in amounts]
    reduce(parts, [("di", {"percent_off": None, "amount_off": off, "currency": "usd"})], "usd")
    assert sum(part.net for part in parts) == max(0, sum(amounts) - off)
    assert all(part.net >= 0 for part in parts)


def test_credits_stay_whole_and_other_products_too():
    credit = Part(-500, "prod", discountable=False)
    other, meant = Part(1000, "else"), Part(1000, "prod")
    coupon = {"percent_off": 50, "amount_off": None, "applies_to": {"products": ["prod"]}}
    reduce([credit, other, meant], [("di", coupon)], "usd")
    assert [part.net for part in (credit, other, meant)] == [-500, 1000, 500]


def test_half_a_cent_goes_away_from_nought():
    assert [rounded(Fraction(n, 2)) for n in (1, 3, -1, -3, 0)] == [1, 2, -1, -2, 0]
    assert shared(10, [1, 1, 1]) == [3, 4, 3]
