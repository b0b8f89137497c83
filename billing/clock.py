"""The only reader of the time; in embedded mode an offset in a file moves it, forward only.

The file holds the offset in whole seconds as decimal text. All processes of one installation and
its sandbox read the same file, so that a month passes for all of them at once.
"""

import functools
import time
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

_seen: tuple[str, int, int] = ("", 0, 0)  # The file, its change time in ns, the offset it held.


def offset() -> int:
    """Return by how many seconds the clock is ahead of the machine's; 0 outside embedded mode."""
    global _seen
    path = settings.CLOCK_FILE
    if not path:
        return 0
    try:
        changed = _file(path).stat().st_mtime_ns
        if _seen[:2] != (path, changed):
            _seen = (path, changed, int(Path(path).read_text() or 0))
    except FileNotFoundError:
        return 0
    return _seen[2]


@functools.cache
def _file(path: str) -> Path:
    """A path that is made once: the edge asks for the time at each turn of its loop."""
    return Path(path)


def unix() -> float:
    """Return the time in Unix seconds."""
    return time.time() + offset()  # noqa: TID251 -- this is the one reader


def now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.fromtimestamp(unix(), UTC)


def wall() -> int:
    """Return the machine's own time in Unix seconds, for what strangers sign: webhooks."""
    return int(time.time())  # noqa: TID251 -- this is the one reader


def advance(seconds: int) -> int:
    """Move the clock forward for every process and return the new offset in seconds.

    Raises ValueError for a step back: time that was told to a car cannot be taken back.
    """
    if not settings.CLOCK_FILE:
        raise ValueError("The clock moves in embedded mode only.")
    if seconds < 0:
        raise ValueError("The clock moves forward only.")
    total = offset() + seconds
    path = Path(settings.CLOCK_FILE)
    fresh = path.with_suffix(".new")
    fresh.write_text(str(total))
    fresh.replace(path)
    return total
