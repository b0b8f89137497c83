"""Mails about an account as a whole: that it is there, is to close, closes, and is closed."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from connectivity.notices.rules.mail import Mail, Reader, page


def opened(event: Any, _now: datetime) -> Iterator[Mail]:
    """A welcome, once the address is confirmed: what to do next, and that nothing is charged."""
    if event.payer is not None:
        yield Mail(event.kind, event.payer, {"page": page("garage:add")})


def closing(event: Any, _now: datetime) -> Iterator[Mail]:
    """Told to the address that the account has at that time; one that is gone hears nothing."""
    owner = event.payer or event.actor
    if owner is not None and owner.email and not owner.email.endswith(".invalid"):
        yield Mail(event.kind, owner, {"at": Reader(owner).moment(event.at)})


def close_asked(event: Any, _now: datetime) -> Iterator[Mail]:
    """When it closes, and where it can be kept."""
    owner = event.payer
    if owner is not None and not owner.email.endswith(".invalid"):
        reader = Reader(owner)
        days = {"at": reader.moment(event.at), "until": reader.day(event.data.get("until"))}
        yield Mail(event.kind, owner, {**days, "page": page("account_close")})
