"""Counts billing periods on the calendar, always from the anchor: 31 Jan, 28 Feb, 31 Mar."""

import calendar
import datetime as dt
from typing import Any

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def nth_boundary(anchor: int, recurring: dict[str, Any], number: int) -> int:
    """The instant at which the period `number` ends, where period 1 begins at the anchor."""
    interval: str = recurring["interval"]
    count: int = recurring["interval_count"] * number
    start = dt.datetime.fromtimestamp(anchor, dt.UTC)
    if interval in _DAYS:
        return anchor + 86400 * _DAYS[interval] * count
    year, month = divmod(start.year * 12 + start.month - 1 + _MONTHS[interval] * count, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


def next_boundary(anchor: int, recurring: dict[str, Any], after: int) -> int:
    """The first end of a period that lies after an instant."""
    number = 1
    while (boundary := nth_boundary(anchor, recurring, number)) <= after:
        number += 1
    return boundary
