"""Requests that are held until their car has something new to hear, or their time is over.

One is held for each car, the newest: who asks again has given up the request before. It must never
know what a car is told: whoever is woken reads the facts anew (contract: Held requests).
"""

import asyncio

from fleet import wake
from fleet.ear import Ear


class Hold:
    """One held request."""

    __slots__ = ("_loop", "_sleeping", "_woken", "ended", "vehicle_id")

    def __init__(self, loop: asyncio.AbstractEventLoop, vehicle_id: bytes) -> None:
        self.vehicle_id = vehicle_id
        self.ended = False  # Nobody waits for the answer, or all are to be answered now.
        self._loop = loop
        self._woken = False
        self._sleeping: asyncio.Future[None] | None = None

    async def sleep(self, seconds: float) -> None:
        """Return when it is woken, when it is ended, or after so many seconds."""
        if not self._woken and not self.ended:
            self._sleeping = self._loop.create_future()
            timer = self._loop.call_later(seconds, self._rouse)
            try:
                await self._sleeping
            finally:
                timer.cancel()
                self._sleeping = None
        self._woken = False

    def wake(self) -> None:
        """Something has changed; one that is not asleep yet will not fall asleep."""
        self._woken = True
        self._rouse()

    def end(self) -> None:
        """Hold it no longer."""
        self.ended = True
        self._rouse()

    def _rouse(self) -> None:
        if self._sleeping is not None and not self._sleeping.done():
            self._sleeping.set_result(None)


class Waiting:
    """The held requests of one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._holds: dict[bytes, Hold] = {}
        self._ear: Ear | None = None

    def __len__(self) -> int:
        return len(self._holds)

    def hold(self, vehicle_id: bytes) -> Hold:
        """Begin to hold a request; what changes from now on wakes it."""
        if self._ear is None:
            self._ear = Ear(self._url, wake.CHANNEL, self._heard, self._wake_all)
        before = self._holds.get(vehicle_id)
        if before is not None:
            before.end()
        hold = self._holds[vehicle_id] = Hold(self._loop, vehicle_id)
        return hold

    def leave(self, hold: Hold) -> None:
        """Hold it no longer, and know nothing of it."""
        if self._holds.get(hold.vehicle_id) is hold:
            del self._holds[hold.vehicle_id]

    async def close(self) -> None:
        """Let all go."""
        for hold in self._holds.values():
            hold.end()
        if self._ear is not None:
            await self._ear.close()

    def _wake_all(self) -> None:
        """What changed while nothing was heard is to be found."""
        for hold in self._holds.values():
            hold.wake()

    def _heard(self, message: bytes) -> None:
        for vehicle_id in wake.read(message):
            hold = self._holds.get(vehicle_id)
            if hold is not None:
                hold.wake()
