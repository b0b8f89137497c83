"""Decides what time it is in a car; it must never know what the time is wanted for.

# Note [A car's time]
A car's time is the greater of its own clock, corrected by an offset that the edge's `Date` may
have taught it, and of a floor: the latest instant that the edge has named, advanced by uptime. So
a clock that is set back, or that starts in 1970 after a flat battery, stretches no lease.
"""

import time
from collections.abc import Callable

Seconds = Callable[[], float]


class CarClock:
    """One car's sense of time. `wall` and `uptime` return seconds; `wall` may jump either way."""

    def __init__(
        self,
        wall: Seconds,
        *,
        offset: float = 0,
        floor: float = 0,
        uptime: Seconds = time.monotonic,
    ) -> None:
        self._wall = wall
        self._uptime = uptime
        self._offset = offset
        self._floor = floor
        self._floor_set_at = uptime()

    @property
    def offset(self) -> float:
        """Seconds that the edge taught this car to add to its own clock."""
        return self._offset

    @property
    def floor(self) -> float:
        """The earliest that it can be now, in Unix seconds."""
        return self._floor + self._uptime() - self._floor_set_at

    def now(self) -> float:
        """The car's time in Unix seconds; see Note [A car's time]."""
        return max(self._wall() + self._offset, self.floor)

    def witness(self, instant: float | None) -> None:
        """Raises the floor to an instant that the edge has named, its `Date` or a lease's `iat`."""
        if instant is not None and instant > self.floor:
            self._floor, self._floor_set_at = instant, self._uptime()

    def correct(self, instant: float) -> None:
        """Takes the edge's time as the car's own: for a car whose time turned out wrong."""
        self._offset = instant - self._wall()
