"""Decides when a car does again what it repeats, and how a failure puts it off."""

import random
from dataclasses import dataclass

from sandbox.car import protocol
from sandbox.car.answers import SetbackError


@dataclass
class Errand:
    """Something that a car repeats: when it is due, and how often it failed in a row."""

    due: float = 0.0
    failures: int = 0

    def now(self) -> None:
        """Makes it due at once, forgetting earlier failures."""
        self.due, self.failures = 0.0, 0

    def done(self, next_due: float = 0.0) -> None:
        """Puts it off as planned."""
        self.due, self.failures = next_due, 0

    def put_off(self, now: float, setback: SetbackError, chance: random.Random) -> None:
        """Puts it off after a failure, longer each time, never less than the edge asked."""
        self.failures += 1
        self.due = now + protocol.backoff(self.failures, setback.at_least, chance)
