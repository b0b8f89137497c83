"""When to try again what failed; knows nothing of what it was."""

from datetime import datetime, timedelta

WAITS = (5, 15, 60, 300, 900, 3600)  # seconds; the last one from then on


def next_try(attempts: int, now: datetime, waits: tuple[int, ...] = WAITS) -> datetime:
    """Return when to try again what has failed `attempts` times before this one."""
    return now + timedelta(seconds=waits[min(attempts, len(waits) - 1)])
