"""What a test may set about the stand-in: each setting's name, meaning and default."""

from collections.abc import Callable
from typing import Any

from sandbox.stripe.objects.event import API_VERSION
from sandbox.stripe.store import Transaction


def _at_or_flag(text: str) -> str:
    if text not in ("at", "flag"):
        raise ValueError("must be at or flag")
    return text


def _percentage(text: str) -> float:
    if not 0 <= (number := float(text)) <= 100:
        raise ValueError("must be from 0 to 100")
    return number


def _count(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError("must not be negative")
    return number


def _after_retries(text: str) -> str:
    if text not in ("cancel", "unpaid", "past_due", "pause"):
        raise ValueError("must be cancel, unpaid, past_due or pause")
    return text


def _days(text: str) -> list[int]:
    days = [int(part) for part in text.split(",") if part]
    if any(number < 1 for number in days):
        raise ValueError("must be days from 1 on, with commas")
    return days


# Name: how its text is read, and the text that stands for it until somebody sets it.
SETTINGS: dict[str, tuple[Callable[[str], Any], str]] = {
    # What becomes of a subscription whose renewal was retried in vain.
    "after_retries": (_after_retries, "cancel"),
    # The API version that events are stamped with, as an endpoint of an older account has it.
    "event_api_version": (str, API_VERSION),
    # How the portal ends a subscription: it sets cancel_at, or the flag as in classic billing.
    "portal_cancel": (_at_or_flag, "at"),
    # Calls per second to one operation before Stripe answers 429; 0 is without a limit.
    "rate_limit": (_count, "0"),
    # Days from each failed attempt to collect a renewal to the next one; empty is no retry.
    "retry_days": (_days, "3,5,7"),
    # What automatic tax adds where it is enabled, in percent.
    "tax_percent": (_percentage, "0"),
}


def setting(tx: Transaction, name: str) -> Any:
    """What a setting is now."""
    read, default = SETTINGS[name]
    row = tx.db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return read(row[0] if row else default)


def change(tx: Transaction, name: str, value: str) -> None:
    """Set a setting; raises ValueError, in words, for a name or a value that there is not."""
    if name not in SETTINGS:
        raise ValueError(f"{name} is no setting; there are {', '.join(sorted(SETTINGS))}.")
    try:
        SETTINGS[name][0](value)
    except ValueError as wrong:
        raise ValueError(f"{name} is {value!r}: {wrong}.") from wrong
    tx.db.execute("REPLACE INTO settings (name, value) VALUES (?, ?)", (name, value))
