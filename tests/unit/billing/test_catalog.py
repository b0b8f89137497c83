"""A catalogue is read whole or not at all."""

import json
from copy import deepcopy

import pytest

from billing.catalog import CatalogInvalid, parse
from billing.offers import SHIPPED

DOCUMENT = json.loads(SHIPPED.read_text())


def test_the_first_catalogue_sells_premium_for_ten_dollars_or_a_hundred() -> None:
    sold = parse(DOCUMENT, revision=3)
    assert sold.revision == 3
    assert {(p.unit_amount, p.currency, p.interval) for p in sold.prices.values()} == {
        (1000, "usd", "month"),
        (10000, "usd", "year"),
        (1300, "cad", "month"),
        (13000, "cad", "year"),
        (1000, "eur", "month"),
        (10000, "eur", "year"),
    }
    assert {price.plan for price in sold.prices.values()} == {"premium"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: d.pop("plans"), "plans"),
        (lambda d: d["plans"][0]["features"].append("teleport"), "teleport"),
        (lambda d: d["prices"][0].update(plan="gold"), "gold"),
        (lambda d: d["prices"].append(d["prices"][0]), "twice"),
        (lambda d: d["plans"].append(d["plans"][0]), "twice"),
        (lambda d: d["prices"][0].pop("unit_amount"), "unit_amount"),
    ],
)
def test_a_contradiction_is_named(spoil, message) -> None:
    document = deepcopy(DOCUMENT)
    spoil(document)
    with pytest.raises(CatalogInvalid, match=message):
        parse(document, revision=1)
