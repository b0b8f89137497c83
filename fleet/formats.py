"""Writes money and instants for people, in their language; decides nothing."""

from datetime import UTC, datetime, timedelta

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from billing.staff.shown import money

__all__ = ["day", "moment", "money", "written_day"]
_RECENT = timedelta(hours=12)


def day(instant: datetime) -> SafeString:
    """Return the instant's date; the browser turns it to its own zone (`js/site.js`)."""
    return _time(instant, "date", written_day(instant))


def written_day(instant: datetime) -> str:
    """Return the instant's date, in UTC, for a text that no browser turns, such as a mail."""
    # Translators: a date such as Dec 23, 2026, in the letters of Django's `date` filter.
    return date_format(instant.astimezone(UTC), gettext("M j, Y"))


def moment(instant: datetime, *, now: datetime) -> SafeString:
    """Return date and time, or the time alone where it was just now."""
    clock_time = instant.astimezone(UTC).strftime("%H:%M UTC")
    if abs(now - instant) < _RECENT:
        return _time(instant, "time", clock_time)
    return _time(instant, "moment", f"{written_day(instant)}, {clock_time}")


def _time(instant: datetime, show: str, text: str) -> SafeString:
    iso = instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return format_html('<time datetime="{}" data-show="{}">{}</time>', iso, show, text)
