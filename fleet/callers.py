"""The cars that ask, by the Authorization header that proves who they are; forgets the least asked.

What is kept of each saves work and decides nothing: its token as it was verified, the command that
reads its facts, and the name of the document that followed from them. That name is good only for
the very same value from the site, the very same catalogue, and until time alone may change it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from fleet import rounds, snapshots
from fleet.credentials import Token


class Held(NamedTuple):
    """What the asking car has, which no answer may be behind; its token proves the generation."""

    version: int = 0
    catalog: int = 0
    generation: int = 0


class Caller:
    """A car that has shown a good token."""

    __slots__ = (
        *("command", "etag", "expires_at", "full_at", "generation", "head", "held", "may_wait"),
        *("heard_until", "ring", "since", "told", "until", "value", "vehicle_id", "vin"),
    )

    def __init__(self, token: Token) -> None:
        self.vehicle_id: UUID = token.vehicle_id
        self.generation = token.generation
        self.expires_at = token.expires_at
        self.command = rounds.get(snapshots.key(token.vehicle_id.bytes))
        self.full_at = 0.0
        self.heard_until = 0  # until when nobody needs to note that it is there
        self.vin = token.vin
        self.forget()

    def forget(self) -> None:
        """Know nothing of what the car is told."""
        self.value: bytes | None = None
        self.told: Any = None
        self.since = self.until = 0
        self.etag = b""
        self.held = Held(generation=self.generation)
        self.head = b""
        self.ring: Iterator[bytes] = iter(())
        self.may_wait = False

    def remembers(self, value: bytes, told: Any, now: int) -> bool:
        """Whether the remembered name followed from these facts, and at `now` still does."""
        return value == self.value and told is self.told and self.since <= now < self.until


class Callers:
    """Of two halves: when the young one is full, the old one goes and the young one is old."""

    def __init__(self, most: int) -> None:
        self._half = max(1, most // 2)
        self._young: dict[bytes, Caller] = {}
        self._old: dict[bytes, Caller] = {}

    def get(self, authorization: bytes) -> Caller | None:
        """The car with this header, if it is remembered."""
        caller = self._young.get(authorization)
        if caller is None:
            caller = self._old.get(authorization)
            if caller is not None:
                self.add(authorization, caller)
        return caller

    def add(self, authorization: bytes, caller: Caller) -> None:
        """Remember it."""
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        self._young[authorization] = caller
