"""Decides which cars this machine plays and what their maker would write in the import file; it
must never know a key's private half or what any car has been told.
"""

import csv
import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass

MANIFEST_HEADER = "vin,model,hardware,market,delivered_on,public_key,connectivity"

_LETTER_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_FIRST_SERIAL = 500_000
_SERIALS_PER_PATTERN = 400_000
_FIRST_DELIVERY = dt.date(2024, 1, 8)
_DELIVERY_DAYS = 900


@dataclass(frozen=True)
class Identity:
    """What the maker knows of a car when it leaves the line."""

    vin: str
    model: str
    hardware: str
    market: str
    delivered_on: dt.date
    connectivity: str


@dataclass(frozen=True)
class _Pattern:
    """A production line: the first eight characters of its VINs, then model year and plant."""

    describes: str
    year_and_plant: str
    model: str
    hardware: str
    market: str


_PATTERNS = (
    _Pattern("5YJ3E1EA", "RF", "model_3", "mcu3", "US"),
    _Pattern("7SAYGDEE", "RA", "model_y", "mcu3", "US"),
    _Pattern("5YJSA1E2", "MF", "model_s", "mcu2", "CA"),
    _Pattern("XP7YGCEK", "SB", "model_y", "mcu3", "DE"),
    _Pattern("LRW3E7FA", "PC", "model_3", "mcu3", "NO"),
    _Pattern("LRWYGCEK", "RC", "model_y", "mcu3", "GB"),
)
# A fifth came with Premium for life, so that what joins Premium is seen in many cars.
_CONNECTIVITY = ("lifetime", "lifetime", "trial") + ("standard",) * 7

DEMO = Identity(
    vin="5YJ3E1EA0KF000316",
    model="model_3",
    hardware="mcu3",
    market="US",
    delivered_on=dt.date(2025, 6, 1),
    connectivity="standard",
)


def check_digit(vin: str) -> str:
    """The ninth character that makes these 17 right (49 CFR 565), whatever stands there now."""
    values = (int(_LETTER_VALUES.get(character, character)) for character in vin)
    remainder = sum(w * v for w, v in zip(_WEIGHTS, values, strict=True)) % 11
    return "X" if remainder == 10 else str(remainder)


def series(count: int) -> list[Identity]:
    """The first `count` cars of a made-up fleet, the same ones each time; the demo car is not one.

    Raises ValueError where the serial numbers would run out.
    """
    limit = len(_PATTERNS) * _SERIALS_PER_PATTERN
    if not 1 <= count <= limit:
        raise ValueError(f"--count must be between 1 and {limit:,}.")
    return [_nth(index) for index in range(count)]


def manifest(cars: Iterable[tuple[Identity, str]]) -> str:
    """The import file for these cars, each given with its public key; lines end in a newline."""
    text = io.StringIO()
    text.write(MANIFEST_HEADER + "\n")
    writer = csv.writer(text, lineterminator="\n")
    for car, key in cars:
        delivered_on = car.delivered_on.isoformat()
        writer.writerow(
            (car.vin, car.model, car.hardware, car.market, delivered_on, key, car.connectivity)
        )
    return text.getvalue()


def _nth(index: int) -> Identity:
    pattern = _PATTERNS[index % len(_PATTERNS)]
    serial = _FIRST_SERIAL + index // len(_PATTERNS)
    unchecked = f"{pattern.describes}0{pattern.year_and_plant}{serial:06d}"
    return Identity(
        vin=unchecked[:8] + check_digit(unchecked) + unchecked[9:],
        model=pattern.model,
        hardware=pattern.hardware,
        market=pattern.market,
        delivered_on=_FIRST_DELIVERY + dt.timedelta(days=index * 37 % _DELIVERY_DAYS),
        connectivity=_CONNECTIVITY[index % len(_CONNECTIVITY)],
    )
