"""Writes instants as a receipt has them: to the second, with their zone; decides nothing."""

from datetime import UTC, datetime

from fleet.formats import written_day


def written(instant: datetime) -> str:
    """Return date and time in UTC, in the language that is active."""
    at = instant.astimezone(UTC)
    return f"{written_day(at)}, {at:%H:%M:%S} UTC"
