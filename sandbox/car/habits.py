"""Decides by lot what happens to each car of a fleet: sleep, tunnels, restarts, a clock that is
wrong, a key that is not its own; it must never know what a car makes of it.
"""

import random
from dataclasses import dataclass
from typing import Self

from sandbox.car.timekeeping import Seconds

# Whoever is not held asks as often as the service says, which in embedded mode is every 2 s.
_POLLS = 0.03
_SLEEPS, _TUNNELS, _RESTARTS, _WORN = 0.25, 0.2, 0.15, 0.5
_DRIFTS, _FLAT_BATTERY = 0.3, 0.03
_LARGEST_DRIFT = 20.0  # seconds a day, either way
_LONGEST_UNSET = 60.0  # days since the clock was set
_DAY = 86_400.0
# By a car's number and not by lot: what it has stored must not be another run's honest work.
_FORGED_EVERY, _FORGED_FIRST = 100, 13


def is_forged(index: int) -> bool:
    """Whether the car of this number signs with another key than its maker wrote down."""
    return index % _FORGED_EVERY == _FORGED_FIRST


@dataclass(frozen=True)
class Habits:
    """What happens to one car, again and again."""

    forged: bool = False
    waits: bool = True
    sleeps: bool = False
    tunnels: bool = False
    restarts: bool = False
    worn: bool = False  # A restart may bring back what its storage held earlier.
    drift: float = 0.0  # seconds a day by which its clock is fast
    unset: float = 0.0  # days since its clock was set
    flat_battery: bool = False  # Its clock begins in 1970 at each start.

    @classmethod
    def drawn(cls, index: int, dice: random.Random) -> Self:
        """Those of the car of this number; the same ones for the same dice."""
        if is_forged(index):
            return cls(forged=True, waits=False)
        restarts = dice.random() < _RESTARTS
        drifts = dice.random() < _DRIFTS
        return cls(
            waits=dice.random() >= _POLLS,
            sleeps=dice.random() < _SLEEPS,
            tunnels=dice.random() < _TUNNELS,
            restarts=restarts,
            worn=restarts and dice.random() < _WORN,
            drift=dice.uniform(-_LARGEST_DRIFT, _LARGEST_DRIFT) if drifts else 0.0,
            unset=dice.uniform(0, _LONGEST_UNSET),
            flat_battery=dice.random() < _FLAT_BATTERY,
        )

    @property
    def clock_is_wrong(self) -> bool:
        """Whether its own clock cannot be trusted."""
        return self.flat_battery or self.drift != 0

    def clock(self, true: Seconds, *, driven_since: float) -> Seconds:
        """Its own clock from a start on, where `true` tells the time that everybody else has."""
        if self.flat_battery:
            started_at = true()
            return lambda: true() - started_at
        if self.drift:
            set_at = driven_since - self.unset * _DAY
            return lambda: true() + (true() - set_at) / _DAY * self.drift
        return true
