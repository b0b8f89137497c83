"""How often one may ask, counted in the memory of one process; must never know who is counted.

A limit is kept as one number for each who is counted: the instant at which the bucket is full again
(the generic cell rate algorithm). It costs no round trip and no timer; who runs several processes
allows as many times as much.
"""

from dataclasses import dataclass

MOST = 100_000  # addresses that one process counts


@dataclass(frozen=True, slots=True)
class Limit:
    """So many a second in the long run, and so many at once."""

    per_second: float
    at_once: int

    @property
    def interval(self) -> float:
        """Seconds in which the bucket gets one more."""
        return 1 / self.per_second

    def after(self, full_at: float, now: float) -> float:
        """When the bucket is full again, if one more is taken from it now."""
        return max(full_at, now) + self.interval

    def wait(self, full_at: float, now: float) -> int:
        """For how many whole seconds there is nothing to be taken; 0 if there is something."""
        late = self.after(full_at, now) - now - self.at_once / self.per_second
        return 0 if late <= 0 else int(late) + 1


class Counted:
    """Those who are counted by a name: each until its bucket is full again."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._full_at: dict[str, float] = {}

    def wait(self, name: str, now: float) -> int:
        """For how many seconds this one is to wait; 0: not at all."""
        full_at = self._full_at.get(name)
        return 0 if full_at is None else self._limit.wait(full_at, now)

    def count(self, name: str, now: float) -> None:
        """Count one more; when too many are known, forget those that owe nothing, or else all."""
        if len(self._full_at) >= MOST:
            self._full_at = {each: at for each, at in self._full_at.items() if at > now}
            if len(self._full_at) >= MOST:
                self._full_at.clear()
        self._full_at[name] = self._limit.after(self._full_at.get(name, 0.0), now)
