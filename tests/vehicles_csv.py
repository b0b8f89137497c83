"""Makes files of cars as makers send them: `python -m tests.vehicles_csv 100000 FILE.csv`.

Several makers and markets; VINs are in the right form for each, keys are 32 bytes.
"""

import base64
import csv
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fleet import vin

COLUMNS = ["vin", "model", "hardware", "market", "delivered_on", "public_key", "connectivity"]
# World manufacturer code and vehicle attributes, the model, and where it is sold.
MAKERS = [
    ("5YJ3E1EA", "model_3", "US CA MX"),
    ("7SAYGDEE", "model_y", "US CA"),
    ("1HGCM826", "accord", "US"),
    ("LRW3E7FA", "model_3", "CN AU NZ JP"),
    ("XP7YGCEL", "model_y", "DE FR NL NO SE"),
    ("WVWZZZ1J", "golf", "DE AT CH IT"),
    ("JH2RC360", "civic", "JP GB"),
]
HARDWARE = ["mcu1", "mcu2", "mcu3"]
ALPHABET = "ABCDEFGHJKLMNPRSTVWXYZ0123456789"


@dataclass
class Cars:
    """A stream of cars; equal seeds make equal files. `bad` names each spoilt line's number."""

    seed: int = 1
    bad_share: float = 0.0
    bad: dict[int, str] = field(default_factory=dict)

    def rows(self, count: int) -> Iterator[dict[str, str]]:
        """Yield that many lines, the first of which is line 2 of a file."""
        chance = random.Random(self.seed)
        for number in range(2, count + 2):
            row = self._row(chance, number)
            if chance.random() < self.bad_share:
                spoil = chance.choice(SPOILERS)
                self.bad[number] = spoil.__name__
                spoil(row)
            yield row

    def _row(self, chance: random.Random, serial: int) -> dict[str, str]:
        start, model, markets = chance.choice(MAKERS)
        text = f"{start}0{chance.choice('LMNPRST')}{chance.choice(ALPHABET[:23])}{serial:06d}"
        if not start.startswith("WVW"):
            text = text[:8] + vin.check_digit(text) + text[9:]
        delivered = chance.random() < 0.9
        date = f"20{chance.randint(19, 26)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        return {
            "vin": text,
            "model": model,
            "hardware": "none" if chance.random() < 0.02 else chance.choice(HARDWARE),
            "market": chance.choice(markets.split()),
            "delivered_on": date if delivered else "",
            "public_key": public_key(chance),
            "connectivity": chance.choices(["standard", "trial", "lifetime"], [60, 35, 5])[0],
        }


def public_key(chance: random.Random) -> str:
    """Return 32 bytes as a car's public key is written."""
    return base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("=")


def _letter_o(row: dict[str, str]) -> None:
    row["vin"] = row["vin"][:10] + "O" + row["vin"][11:]


def _short_vin(row: dict[str, str]) -> None:
    row["vin"] = row["vin"][:-1]


def _short_key(row: dict[str, str]) -> None:
    row["public_key"] = row["public_key"][:-4]


def _no_such_date(row: dict[str, str]) -> None:
    row["delivered_on"] = "2026-02-30"


def _no_such_market(row: dict[str, str]) -> None:
    row["market"] = "XX"


def _no_such_hardware(row: dict[str, str]) -> None:
    row["hardware"] = "mcu9"


def _no_such_connectivity(row: dict[str, str]) -> None:
    row["connectivity"] = "free"


SPOILERS = [
    _letter_o,
    _short_vin,
    _short_key,
    _no_such_date,
    _no_such_market,
    _no_such_hardware,
    _no_such_connectivity,
]


def write(path: Path, count: int, *, seed: int = 1, bad_share: float = 0.0) -> Cars:
    """Write a file of that many lines and return what is known of it."""
    cars = Cars(seed=seed, bad_share=bad_share)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(cars.rows(count))
    return cars


if __name__ == "__main__":
    made = write(Path(sys.argv[2]), int(sys.argv[1]), bad_share=0.01)
    print(f"{sys.argv[2]}: {sys.argv[1]} lines, {len(made.bad)} of them bad")  # noqa: T201 -- a tool
