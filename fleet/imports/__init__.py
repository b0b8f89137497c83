"""Brings cars in from a file: decides which lines are good; never who owns or pays for a car.

Each batch of lines is one durable transaction, so that a stop in the middle loses at most the
batch it was in, and a second run goes on where the first was stopped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TextIO

from fleet.imports.batches import record
from fleet.imports.lines import BadLine, Line, WrongFile, read

__all__ = ["BadLine", "Outcome", "WrongFile", "import_vehicles"]

BATCH = 2_000


@dataclass(slots=True)
class Outcome:
    """What became of the lines so far; `doubtful` are numbers of good lines to look at again."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    bad: list[BadLine] = field(default_factory=list)
    doubtful: list[int] = field(default_factory=list)
    modemless: list[int] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """How many lines were looked at, blank ones left out."""
        return self.added + self.changed + self.unchanged + len(self.bad)


def import_vehicles(file: TextIO, *, now: datetime, progress: Callable[[Outcome], None]) -> Outcome:
    """Take in each good line of the CSV `file`, and return what became of all of them.

    `progress` hears after each batch. Lines that say what is known change nothing. Raises WrongFile
    if it is not the file that docs/operations.md describes; then nothing has been taken in.
    """
    outcome = Outcome()
    found = read(file)
    while batch := list(islice(found, BATCH)):
        good = list(_sift(batch, outcome))
        tally = record(good, now=now)
        outcome.added += tally.added
        outcome.changed += tally.changed
        outcome.unchanged += tally.unchanged
        outcome.bad += tally.bad
        progress(outcome)
    outcome.bad.sort(key=lambda bad: bad.number)
    return outcome


def _sift(batch: list[Line | BadLine], outcome: Outcome) -> Iterator[Line]:
    for line in batch:
        if isinstance(line, BadLine):
            outcome.bad.append(line)
            continue
        if line.vin.doubtful:
            outcome.doubtful.append(line.number)
        if line.wants_premium_in_vain:
            outcome.modemless.append(line.number)
        yield line
