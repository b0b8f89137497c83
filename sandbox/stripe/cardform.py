"""Reads the card form that several hosted pages show; what it read never goes back to a page."""

import datetime as dt

import flask

from sandbox.stripe import cards
from sandbox.stripe.cards import Card, CardRefusedError


def typed() -> dict[str, str]:
    """What the browser sent, without the spaces around it."""
    return {name: value.strip() for name, value in flask.request.form.items()}


def read(form: dict[str, str], now: int, *, email: str | None = None) -> Card:
    """The card, if all that goes with it is there: its holder's name and, where asked, an email.

    Raises CardRefusedError with the field to correct.
    """
    if email is not None and "@" not in email:
        raise CardRefusedError("email", "Your email is incomplete.")
    today = dt.datetime.fromtimestamp(now, dt.UTC)
    card = cards.read_card(
        form.get("cardNumber", ""),
        form.get("cardExpiry", ""),
        form.get("cardCvc", ""),
        year=today.year,
        month=today.month,
    )
    if not form.get("billingName"):
        raise CardRefusedError("name", "Your cardholder name is incomplete.")
    return card
