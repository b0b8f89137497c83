"""Counts the calls of each operation, and says when there are too many of them in one second."""

import collections
import threading
import time
from typing import Any


class Meter:
    """What was called since the start or the last `reset`, and what was refused as too much."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: dict[str, collections.deque[float]] = collections.defaultdict(
            collections.deque
        )
        self.reset()

    def reset(self) -> None:
        """Count from nought again."""
        with self._lock:
            self._calls: collections.Counter[str] = collections.Counter()
            self._refused: collections.Counter[str] = collections.Counter()

    def admits(self, operation: str, limit: int) -> bool:
        """Count one call; whether it is within the limit of calls per second (0: no limit)."""
        # Networks and clients live by the wall clock, so their limits do too.
        now = time.monotonic()
        with self._lock:
            self._calls[operation] += 1
            recent = self._recent[operation]
            while recent and recent[0] <= now - 1:
                recent.popleft()
            if limit and len(recent) >= limit:
                return False
            recent.append(now)
            return True

    def refuse(self, operation: str) -> None:
        """Count an answer 429, whoever asked for it."""
        with self._lock:
            self._refused[operation] += 1

    def counts(self) -> dict[str, Any]:
        """The calls and the answers 429 of each operation."""
        with self._lock:
            return {
                "calls": dict(self._calls),
                "refused": dict(self._refused),
                "calls_total": self._calls.total(),
                "refused_total": self._refused.total(),
            }
