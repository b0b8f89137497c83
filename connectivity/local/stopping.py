"""Decides what counts as a request to stop; must never stop anything."""

import signal
from types import FrameType


class Stopped(Exception):
    """Somebody asked to stop while things were being started."""


class StopRequests:
    """How often a person, or the system, has asked to stop."""

    def __init__(self) -> None:
        self.count = 0

    def listen(self) -> None:
        """Count each Ctrl-C, SIGTERM, and hang-up of the terminal."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def raise_if_any(self) -> None:
        """Raise Stopped if there was one."""
        if self.count:
            raise Stopped

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
