"""Charges a card: the charge, its intent, and the events that tell of them."""

from sandbox.stripe.cards import NOT_AUTHENTICATED, Decline
from sandbox.stripe.events import emit
from sandbox.stripe.objects import charge as shapes
from sandbox.stripe.store import Body, Transaction


def attempt(tx: Transaction, intent: Body, method: Body, decline: Decline | None) -> None:
    """Try to collect a stored intent's amount from a stored card.

    Where the bank's question is not answered nothing reaches the bank, so there is no charge.
    """
    charge = None
    if decline is not NOT_AUTHENTICATED:
        charge = tx.insert(shapes.charge(tx, intent, method, decline))
    if decline is None:
        outcome = {
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "payment_method": method["id"],
            "status": "succeeded",
        }
    else:
        outcome = {
            "last_payment_error": shapes.payment_error(decline, charge, method),
            "payment_method": None,
            "status": "requires_payment_method",
        }
    latest = charge["id"] if charge else intent["latest_charge"]
    tx.change(intent, **outcome, latest_charge=latest, next_action=None)
    if charge is not None:
        emit(tx, "charge.failed" if decline else "charge.succeeded", charge)
    emit(tx, "payment_intent.payment_failed" if decline else "payment_intent.succeeded", intent)


def ask(tx: Transaction, intent: Body, method: Body, *, page: str) -> None:
    """The bank wants the cardholder to confirm first, who does so on `page`."""
    tx.change(
        intent,
        next_action={
            "redirect_to_url": {"return_url": None, "url": page},
            "type": "redirect_to_url",
        },
        payment_method=method["id"],
        status="requires_action",
    )
    emit(tx, "payment_intent.requires_action", intent)
