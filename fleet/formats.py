"""Writes money and instants for people, in their language; decides nothing."""

from datetime import UTC, datetime, timedelta

from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

_SYMBOLS = {"usd": "$", "cad": "CA$", "eur": "€", "gbp": "£"}
# Currencies that Stripe counts without a minor unit.
_WHOLE = frozenset({"clp", "jpy", "krw", "pyg", "vnd", "xaf", "xof", "xpf"})
_RECENT = timedelta(hours=12)


def money(minor: int, currency: str, *, brief: bool = False) -> str:
    """Return an amount given in the minor unit with its currency; `brief` drops empty cents."""
    places = 0 if currency in _WHOLE else 2
    whole = minor % 10**places == 0
    text = number_format(minor / 10**places, 0 if brief and whole else places)
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{text}" if symbol else f"{text} {currency.upper()}"


def day(instant: datetime) -> SafeString:
    """Return the instant's date; the browser turns it to its own zone (`js/site.js`)."""
    return _time(instant, "date", date_format(instant.astimezone(UTC), "DATE_FORMAT"))


def moment(instant: datetime, *, now: datetime) -> SafeString:
    """Return date and time, or the time alone where it was just now."""
    clock_time = instant.astimezone(UTC).strftime("%H:%M UTC")
    if abs(now - instant) < _RECENT:
        return _time(instant, "time", clock_time)
    date = date_format(instant.astimezone(UTC), "DATE_FORMAT")
    return _time(instant, "moment", f"{date}, {clock_time}")


def _time(instant: datetime, show: str, text: str) -> SafeString:
    iso = instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return format_html('<time datetime="{}" data-show="{}">{}</time>', iso, show, text)
