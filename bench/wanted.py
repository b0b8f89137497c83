"""What whoever runs the benchmarks has asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wanted:
    """How much is to be measured, and where the tables go besides the terminal."""

    rounds: int
    quick: bool
    into: Path | None
