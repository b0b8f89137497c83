"""Keeps what the edge has said to one car, apart from what the car has made of it; it must never
know what the car holds.
"""

import re
from collections import Counter

from sandbox.car.answers import Answer

_ETAG = re.compile(r'"(\d{1,16})\.(\d{1,16})\.\d{1,16}\.\d{1,16}"')


class Told:
    """What one car was told, by all answers that reached it, across its restarts."""

    def __init__(self) -> None:
        self.version = 0
        self.catalog = 0
        self.backwards: list[str] = []
        self.tokens: Counter[int] = Counter()  # How often each status answered its assertions.

    def hear(self, call: str, answer: Answer) -> None:
        """Takes note of an answer to a call."""
        if call == "token":
            self.tokens[answer.status] += 1
        elif call in ("check", "wait") and answer.status in (200, 304):
            self._hear_of(answer.headers.get("etag", ""))

    def _hear_of(self, etag: str) -> None:
        match = _ETAG.fullmatch(etag)
        if match is None:
            self.backwards.append(f"was told the ETag {etag!r}, which names no version")
            return
        version, catalog = int(match[1]), int(match[2])
        if version < self.version or catalog < self.catalog:
            before = f"{self.version}.{self.catalog}"
            self.backwards.append(f"was told {version}.{catalog} after {before}")
        self.version = max(self.version, version)
        self.catalog = max(self.catalog, catalog)
