"""Charges a card: the charge, its intent, and the events that tell of them."""

from sandbox.stripe.cards import Decline
from sandbox.stripe.events import emit
from sandbox.stripe.objects import charge as shapes
from sandbox.stripe.store import Body, Transaction


def attempt(tx: Transaction, intent: Body, method: Body, decline: Decline | None) -> None:
    """Try to collect a stored intent's amount from a stored card."""
    charge = tx.insert(shapes.charge(tx, intent, method, decline))
    if decline is None:
        intent.update(
            amount_received=intent["amount"],
            last_payment_error=None,
            latest_charge=charge["id"],
            next_action=None,
            payment_method=method["id"],
            status="succeeded",
        )
    else:
        intent.update(
            last_payment_error=shapes.payment_error(decline, charge, method),
            latest_charge=charge["id"],
            next_action=None,
            payment_method=None,
            status="requires_payment_method",
        )
    tx.save(intent)
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
