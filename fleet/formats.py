"""Writes money and instants for people, in their language; decides nothing."""

from datetime import UTC, datetime, timedelta

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext

from billing.catalog import tax_included
from billing.staff.shown import money

__all__ = ["day", "moment", "money", "per_interval", "taxed", "written_day"]
_RECENT = timedelta(hours=12)


def taxed(amount: int, currency: str) -> str:
    """Return a price, with a word of the tax: in it, or put on it."""
    # Translators: a price that stands within a sentence, such as "Next charge €10.00 incl. VAT on".
    text = gettext("{price} incl. VAT") if tax_included(currency) else gettext("{price} plus tax")
    return text.format(price=money(amount, currency))


def per_interval(amount: int, currency: str, interval: str) -> str:
    """Return a price and its period, with a word of the tax; an unknown period keeps its name."""
    names = {"month": pgettext("per", "month"), "year": pgettext("per", "year")}
    if tax_included(currency):
        text = gettext("{price} per {interval} incl. VAT")
    else:
        text = gettext("{price} per {interval} plus tax")
    return text.format(price=money(amount, currency), interval=names.get(interval, interval))


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
