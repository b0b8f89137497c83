"""The cars that one event loop has heard of, noted together and later.

A crash loses a minute of them, and nothing is lost by that: whoever takes over knows none of these
cars, and hears them at their next check. It must never delay an answer.
"""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async

from fleet import contact
from fleet.loads import refresh_connection

log = structlog.get_logger()
EVERY = 60.0  # seconds from the first that is heard to the statement
TOGETHER = 500  # cars in a statement; those who wait for a load are served between two
MOST = 100_000  # cars that are kept while PostgreSQL is away


class Heard:
    """The cars that one event loop has heard of since the last writing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._at: dict[UUID, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def add(self, vehicle_id: UUID, *, now: int) -> None:
        """A car has shown that it is there."""
        if len(self._at) < MOST:
            self._at.setdefault(vehicle_id, now)
        if self._timer is None:
            self._timer = self._loop.call_later(EVERY, self._begin)

    async def write(self) -> None:
        """Note them all; those that cannot be noted now are kept for the next time."""
        left, self._at = list(self._at.items()), {}
        try:
            while left:
                await sync_to_async(_note)(dict(left[:TOGETHER]))
                del left[:TOGETHER]
        except Exception as error:  # noqa: BLE001 -- whatever it is, nobody waits for this
            log.warning("contacts_not_noted", count=len(left), error=str(error))
            for vehicle_id, at in left:
                self.add(vehicle_id, now=at)

    async def close(self) -> None:
        """Note no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await self._writing

    def _begin(self) -> None:
        self._timer = None
        self._writing = self._loop.create_task(self.write())


def _note(heard: Mapping[UUID, int]) -> None:
    try:
        contact.note_all(heard)
    finally:
        refresh_connection()
