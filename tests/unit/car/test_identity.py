"""Which cars there are, and what their maker writes of them."""

import csv
import datetime as dt
import io
import json
import re
from pathlib import Path

import pytest

from sandbox.car import identity, keys

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "vin.json").read_text())
GOOD = VECTORS["valid_check_digit_published"] + VECTORS["valid_check_digit_synthetic"]


@pytest.mark.parametrize("vin", GOOD)
def test_the_check_digit_of_known_vins_is_right(vin):
    assert identity.check_digit(vin) == vin[8]


@pytest.mark.parametrize("vin", VECTORS["wrong_digit_but_acceptable_outside_north_america"])
def test_the_check_digit_is_not_just_repeated(vin):
    assert identity.check_digit(vin) != vin[8]


def test_a_series_has_distinct_valid_vins_and_leaves_the_demo_car_alone():
    cars = identity.series(5000)
    vins = {car.vin for car in cars}
    assert len(vins) == 5000
    assert identity.DEMO.vin not in vins
    for vin in vins:
        assert re.fullmatch(r"[A-HJ-NPR-Z0-9]{17}", vin)
        assert identity.check_digit(vin) == vin[8]


def test_a_longer_series_begins_with_the_shorter_one():
    assert identity.series(40) == identity.series(100)[:40]


def test_a_series_mixes_makers_markets_and_connectivity():
    cars = identity.series(100)
    assert len({car.vin[:3] for car in cars}) >= 3
    assert len({car.market for car in cars}) >= 4
    assert {car.connectivity for car in cars} == {"standard", "trial", "lifetime"}
    assert all(car.delivered_on < dt.date(2026, 11, 1) for car in cars)


@pytest.mark.parametrize("count", [0, -1, 10**9])
def test_a_series_of_no_cars_or_too_many_is_refused_in_words(count):
    with pytest.raises(ValueError, match="--count must be between 1 and"):
        identity.series(count)


def test_the_manifest_is_the_import_file_of_the_contract():
    key = keys.public_key(keys.new_key())
    text = identity.manifest([(identity.DEMO, key)])
    header, line = text.splitlines()
    assert header == "vin,model,hardware,market,delivered_on,public_key,connectivity"
    assert line == f"5YJ3E1EA0KF000316,model_3,mcu3,US,2025-06-01,{key},standard"


def test_the_manifest_reads_back():
    cars = identity.series(20)
    text = identity.manifest((car, "k") for car in cars)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["vin"] for row in rows] == [car.vin for car in cars]
    assert {len(row["market"]) for row in rows} == {2}
