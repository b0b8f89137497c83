"""Mails about what owners allow with their cars."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from connectivity.notices.rules.mail import Mail, Reader, person


def learning(event: Any, _now: datetime) -> Iterator[Mail]:
    """The receipt of a consent, or of its end; with an ownership it ends without one of its own."""
    owner = person(event.data.get("owner"))
    if owner is None or event.data.get("by_itself"):
        return
    reader = Reader(owner)
    yield Mail(
        "learning",
        owner,
        {
            **reader.car(event.vehicle_id),
            "at": reader.moment(event.at),
            "allowed": event.kind == "learning_allowed",
            "text": event.data.get("text", ""),
        },
    )
