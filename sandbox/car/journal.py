"""Writes down when each car of a fleet got what, and when it could ask, for whoever measures it; it
must never know why.

One JSON object a line: `at` in Unix seconds, `vin`, `version`, `catalog`, `free_since` (since when
the car could ask without a break, or null) and `last`, which is true in each car's last line.
"""

import json
import time
from pathlib import Path
from typing import Self, TextIO


class Journal:
    """A file to which lines are added, or none."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file

    @classmethod
    def at(cls, path: Path | None) -> Self:
        """One that begins anew at this path; without a path nothing is written."""
        return cls(path.open("w", buffering=1) if path else None)

    def note(
        self, vin: str, held: tuple[int, int], *, free_since: float | None, last: bool
    ) -> None:
        """Writes what a car holds now, its version and its catalogue."""
        if self._file is None:
            return
        version, catalog = held
        line = {
            "at": time.time(),
            "vin": vin,
            "version": version,
            "catalog": catalog,
            "free_since": free_since,
            "last": last,
        }
        self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Nothing more is written."""
        if self._file is not None:
            self._file.close()
