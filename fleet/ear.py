"""Hears a channel of a site for one event loop, over a connection of its own.

It must never know what a message says. While the connection is gone nothing is heard; it comes back
by itself, and a line on which not even a sign of life is answered counts as gone.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from fleet.line import Line, Site

BEAT = 5.0  # seconds between two signs of life

Heard = Callable[[bytes], None]
Begun = Callable[[], None]


class _Open(Line):
    """A line on which messages come between the answers."""

    def __init__(self, site: Site, heard: Heard, begun: Begun) -> None:
        super().__init__(site)
        self._heard, self._begun = heard, begun

    def hand_out(self) -> None:
        """Tell messages apart from answers."""
        for reply in self.replies():
            kind = reply[0] if isinstance(reply, list) else None
            if kind == b"message":
                self._heard(reply[2])
                continue
            self.take(reply)
            if kind == b"subscribe":
                self._begun()


class Ear:
    """Hears until it is closed; calls `begun` each time when it hears from now on."""

    def __init__(self, url: str, channel: bytes, heard: Heard, begun: Begun) -> None:
        self._site = Site(
            url, line=lambda site: _Open(site, heard, begun), greeting=(("SUBSCRIBE", channel),)
        )
        self._beating = self._site.loop.create_task(self._beat())

    async def close(self) -> None:
        """Hear no more."""
        self._beating.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._beating
        await self._site.close()

    async def _beat(self) -> Any:
        while True:
            await self._site.ask([("PING",)]).done
            await asyncio.sleep(BEAT)
