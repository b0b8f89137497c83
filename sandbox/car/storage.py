"""Decides how cars survive a restart: one SQLite file that only its owner may read; it must never
know what the remembered things mean.

# Note [Two writers]
The car's process writes `cars`; the screen's process writes `switches`. Neither overwrites the
other's word, so a pressed button is never lost to a poll that ends at the same moment.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

FILE_NAME = "cars.sqlite3"
APPLIED = "applied"
FAILED = "failed"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS cars (
    vin TEXT PRIMARY KEY,
    private_key BLOB NOT NULL,
    memory TEXT NOT NULL DEFAULT '{}',
    alive_at REAL NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS switches (
    vin TEXT PRIMARY KEY,
    asleep INTEGER NOT NULL DEFAULT 0,
    no_signal INTEGER NOT NULL DEFAULT 0,
    reports_held INTEGER NOT NULL DEFAULT 0,
    pairing_presses INTEGER NOT NULL DEFAULT 0,
    pairing_hidden INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Report:
    """What the car did with a document; `settled` once the edge has taken it, or never will."""

    version: int
    catalog: int
    result: str
    reason: str
    at: float
    settled: bool = False

    def makes_needless(self, other: "Report") -> bool:
        """Whether the other says nothing new: the same again, or doubts on what was applied."""
        if (self.version, self.catalog) != (other.version, other.catalog):
            return False
        return self.result == APPLIED or (self.result, self.reason) == (other.result, other.reason)


@dataclass(frozen=True)
class Memory:
    """All that one car knows. Instants are Unix seconds in the car's own time, 0 is never."""

    token: str = ""
    token_expires_at: float = 0
    version: int = 0
    catalog: int = 0
    document: dict[str, Any] = field(default_factory=dict)
    etag: str = ""
    lease: str = ""
    jwks: dict[str, Any] = field(default_factory=dict)
    jwks_fetched_at: float = 0
    clock_offset: float = 0
    clock_floor: float = 0
    report: Report | None = None
    pairing_code: str = ""
    pairing_expires_at: float = 0
    pairing_answered: int = 0  # The press of the button that this code, or refusal, answers.
    pairing_problem: str = ""
    problem: str = ""
    problem_kind: str = ""
    last_contact_at: float = 0
    next_check_at: float = 0

    def to_json(self) -> str:
        """The memory as it is stored."""
        # Not `asdict`, which copies the whole document and all keys at each turn of each car.
        members = vars(self) | {"report": vars(self.report) if self.report else None}
        return json.dumps(members, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The memory from its stored form; members of another release are passed over."""
        stored: dict[str, Any] = json.loads(text)
        if isinstance(stored.get("report"), dict):
            stored["report"] = Report(**stored["report"])
        known = {f.name for f in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})


@dataclass(frozen=True)
class Switches:
    """What the person at the screen has set; `pairing_presses` counts presses of the button."""

    asleep: bool = False
    no_signal: bool = False
    reports_held: bool = False
    pairing_presses: int = 0
    pairing_hidden: int = 0


class Storage:
    """The cars' storage in a folder. One connection: use it from one thread."""

    def __init__(self, data_dir: Path) -> None:
        data_dir.mkdir(parents=True, exist_ok=True)
        path = data_dir / FILE_NAME
        # SQLite gives its journal files the mode of the database, so one mode guards all keys.
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=10, isolation_level=None)
        with _alone(data_dir):
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Ends the connection; what was saved stays."""
        self._db.close()

    def enrol(self, vins: Iterable[str], make_key: Callable[[], bytes]) -> dict[str, bytes]:
        """The private keys of these cars; a car without one gets a new key, kept from then on."""
        wanted = list(vins)
        have = dict(self._db.execute("SELECT vin, private_key FROM cars"))
        missing = [(vin, make_key()) for vin in wanted if vin not in have]
        if missing:
            # Two processes may meet here at a first start: the first key of a car stands.
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT OR IGNORE INTO cars (vin, private_key) VALUES (?, ?)", missing
            )
            self._db.execute("COMMIT")
            have = dict(self._db.execute("SELECT vin, private_key FROM cars"))
        return {vin: have[vin] for vin in wanted}

    def memory(self, vin: str) -> Memory:
        """What this car remembers; a new car's memory is empty."""
        row = self._db.execute("SELECT memory FROM cars WHERE vin = ?", (vin,)).fetchone()
        return Memory.from_json(row[0]) if row else Memory()

    def save(self, vin: str, memory: Memory) -> None:
        """Remembers; it is on disk when this returns."""
        self._db.execute("UPDATE cars SET memory = ? WHERE vin = ?", (memory.to_json(), vin))

    def beat(self, vin: str, alive_at: float) -> None:
        """Notes that this car's process lives, in wall-clock seconds."""
        self._db.execute("UPDATE cars SET alive_at = ? WHERE vin = ?", (alive_at, vin))

    def alive_at(self, vin: str) -> float:
        """The last beat of this car's process, 0 if there was none."""
        row = self._db.execute("SELECT alive_at FROM cars WHERE vin = ?", (vin,)).fetchone()
        return float(row[0]) if row else 0.0

    def switches(self, vin: str) -> Switches:
        """What the person at this car's screen has set."""
        row = self._db.execute(
            "SELECT asleep, no_signal, reports_held, pairing_presses, pairing_hidden"
            " FROM switches WHERE vin = ?",
            (vin,),
        ).fetchone()
        if row is None:
            return Switches()
        return Switches(bool(row[0]), bool(row[1]), bool(row[2]), row[3], row[4])

    def turn(self, vin: str, switch: str, *, on: bool) -> None:
        """Sets `asleep`, `no_signal` or `reports_held`."""
        if switch not in ("asleep", "no_signal", "reports_held"):
            raise ValueError(f"A car has no switch {switch!r}.")
        self._change(vin, f"{switch} = {int(on)}")

    def reset_switches(self, vins: Iterable[str]) -> None:
        """Has nobody touched the switches of these cars."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("DELETE FROM switches WHERE vin = ?", [(vin,) for vin in vins])
        self._db.execute("COMMIT")

    def press_pairing(self, vin: str) -> None:
        """Notes that the driver wants a pairing code."""
        self._change(vin, "pairing_presses = pairing_presses + 1")

    def hide_pairing(self, vin: str) -> None:
        """Notes that the driver has done with the codes asked for so far."""
        self._change(vin, "pairing_hidden = pairing_presses")

    def _change(self, vin: str, assignment: str) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("INSERT OR IGNORE INTO switches (vin) VALUES (?)", (vin,))
        self._db.execute(f"UPDATE switches SET {assignment} WHERE vin = ?", (vin,))  # noqa: S608 - the assignment is one of ours, never input
        self._db.execute("COMMIT")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: of two that make a database WAL, SQLite fails one without a wait."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
