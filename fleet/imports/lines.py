"""A line of the file as a value: decides whether it is well-formed; never looks into the database.

No column may hold a line break, so each physical line is read on its own: a stray quote spoils its
own line and not the rest of the file.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TextIO

from fleet import keys
from fleet.imports.markets import MARKETS
from fleet.models import Vehicle
from fleet.vin import Vin, VinError

COLUMNS = ("vin", "model", "hardware", "market", "delivered_on", "public_key", "connectivity")
LONGEST = 4_096  # characters; a good line has about 120
KEY_TAKEN = "public_key: another car has this key."
YEARS = range(1980, 2101)

_MODEL = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_Header = tuple[str, ...]


class WrongFile(ValueError):
    """The file as a whole cannot be read; the message says what it must look like."""


class Fault(ValueError):
    """One value of a line is wrong; the message names it and says what it must be."""


class Connectivity(StrEnum):
    """What the car comes with."""

    STANDARD = "standard"
    TRIAL = "trial"
    LIFETIME = "lifetime"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that does not go in; numbers count from 1, the header being line 1."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """A well-formed line. Whether it agrees with what is known of its car is another question."""

    number: int
    vin: Vin
    model: str
    hardware: str
    market: str
    delivered_on: date | None
    public_key: str
    connectivity: Connectivity

    @property
    def wants_premium_in_vain(self) -> bool:
        """Whether it brings Premium to a car that has no modem and cannot take it."""
        return self.hardware == Vehicle.Hardware.NONE and self.connectivity != Connectivity.STANDARD


def read(file: TextIO) -> Iterator[Line | BadLine]:
    """Yield each line that is not blank; the later of two for one VIN or key is bad.

    The file is opened with `utf-8-sig` and `surrogateescape`. Raises WrongFile for its header.
    """
    numbered = _numbered(file)
    header = _header(next(numbered, (1, ""))[1])
    seen: dict[str, int] = {}
    key_seen: set[str] = set()
    for number, text in numbered:
        if not text.strip(" ,\t\r\n"):
            continue
        line = _line(number, text, header)
        if isinstance(line, Line):
            first = seen.setdefault(line.vin.text, number)
            if first != number:
                line = BadLine(number, f"vin: line {first} has the same VIN already.")
            elif line.public_key in key_seen:
                line = BadLine(number, KEY_TAKEN)
            else:
                key_seen.add(line.public_key)
        yield line


def _numbered(file: TextIO) -> Iterator[tuple[int, str]]:
    number = 0
    while text := file.readline(LONGEST):
        number += 1
        yield number, text
        while not text.endswith("\n") and (text := file.readline(LONGEST)):
            pass  # The rest of an overlong line is not kept: its length alone makes it bad.


def _header(text: str) -> _Header:
    if text.startswith(("\udcff\udcfe", "\udcfe\udcff")):
        raise WrongFile("The file is UTF-16. Save it as CSV in UTF-8.")
    try:
        names = tuple(name.strip().lower() for name in _split(text))
    except Fault as fault:
        raise WrongFile(str(fault)) from fault
    missing = [column for column in COLUMNS if column not in names]
    twice = [column for column in COLUMNS if names.count(column) > 1]
    if missing or twice:
        faults = [f"missing: {', '.join(missing)}"] * bool(missing)
        faults += [f"there twice: {', '.join(twice)}"] * bool(twice)
        raise WrongFile(
            f"The first line must name the columns {','.join(COLUMNS)}, separated by commas; "
            f"{'; '.join(faults)}."
        )
    return names


def _split(text: str) -> list[str]:
    try:
        return next(csv.reader([text], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise Fault(f"The quotes of this line do not match ({error}).") from error


def _line(number: int, text: str, header: _Header) -> Line | BadLine:
    try:
        value = _values(text, header)
        return Line(
            number=number,
            vin=_vin(value["vin"]),
            model=_model(value["model"]),
            hardware=_choice("hardware", value["hardware"], Vehicle.Hardware.values),
            market=_market(value["market"]),
            delivered_on=_date(value["delivered_on"]),
            public_key=_public_key(value["public_key"]),
            connectivity=Connectivity(
                _choice("connectivity", value["connectivity"], list(Connectivity))
            ),
        )
    except Fault as fault:
        return BadLine(number, str(fault))


def _values(text: str, header: _Header) -> dict[str, str]:
    if len(text) >= LONGEST:
        raise Fault(f"The line has more than {LONGEST - 1} characters.")
    if not text.isascii() and any("\udc80" <= char <= "\udcff" for char in text):
        raise Fault("The line is not UTF-8 text.")
    values = _split(text)
    if len(values) != len(header):
        raise Fault(f"The line has {len(values)} values; the header names {len(header)} columns.")
    return {name: value.strip() for name, value in zip(header, values, strict=True)}


def _vin(text: str) -> Vin:
    try:
        return Vin.parse(text)
    except VinError as error:
        raise Fault(f"vin: {error}") from error


def _model(text: str) -> str:
    if not _MODEL.fullmatch(text):
        raise Fault(
            f"model: {_shown(text)} is not a code of at most 32 lower-case letters, digits and _ "
            "that begins with a letter, such as model_3."
        )
    return text


def _choice(column: str, text: str, known: list[str]) -> str:
    if text not in known:
        raise Fault(f"{column}: {_shown(text)} is none of {', '.join(known)}.")
    return text


def _market(text: str) -> str:
    if text not in MARKETS:
        raise Fault(
            f"market: {_shown(text)} is not an ISO 3166-1 alpha-2 code in capitals, such as US."
        )
    return text


def _date(text: str) -> date | None:
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found.year not in YEARS:
        raise Fault(
            f"delivered_on: {_shown(text)} is not a date such as 2026-11-22; "
            "leave it empty before delivery."
        )
    return found


def _public_key(text: str) -> str:
    try:
        return keys.parse(text)
    except keys.WrongKey as error:
        raise Fault(f"public_key: {error}") from error


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:40] + "...")
