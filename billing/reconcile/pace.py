"""How fast a long reading of Stripe goes: as fast as the budget lets it, and no faster."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from billing import budget

GLANCE = 0.05
PATIENCE = 5.0  # seconds; who finds no room for so long had better come back later


@dataclass(frozen=True, slots=True)
class Pace:
    """The time, and leave to ask Stripe."""

    now: Callable[[], datetime]

    def ask(self) -> None:
        """Wait until one more call may be made. Raises budget.Spent if that takes too long."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return budget.take(now=self.now())
            except budget.Spent:
                if time.monotonic() > until:
                    raise
                time.sleep(GLANCE)
