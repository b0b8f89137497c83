"""What a bank does afterwards: disputes that open and close, refunds that do not arrive."""

from sandbox.stripe import clocks
from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import emit
from sandbox.stripe.objects import dispute as shapes
from sandbox.stripe.store import Body, Transaction

REASONS = (
    "bank_cannot_process",
    "credit_not_processed",
    "customer_initiated",
    "duplicate",
    "fraudulent",
    "general",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)


def open_dispute(
    tx: Transaction, charge: Body, *, amount: int | None, reason: str, inquiry: bool = False
) -> Body:
    """A cardholder wants a charge back; the bank takes the money at once, save for an inquiry."""
    clocks.enter(tx, charge["id"])
    if not charge["paid"] or charge["disputed"]:
        raise StripeError("Only a charge that was paid, and not disputed yet, can be disputed.")
    if amount is not None and not 0 < amount <= charge["amount"]:
        raise StripeError("The amount must be above 0 and at most the charge's.", param="amount")
    made = shapes.dispute(
        tx, charge, amount=amount or charge["amount"], reason=reason, inquiry=inquiry
    )
    tx.insert(made)
    tx.change(charge, disputed=True)
    emit(tx, "charge.dispute.created", made)
    if not inquiry:
        _move(tx, made, back=False)
        emit(tx, "charge.dispute.funds_withdrawn", made)
    return made


def close_dispute(tx: Transaction, dispute: Body, status: str) -> Body:
    """The bank has decided: `won`, `lost`, or an inquiry is let go: `warning_closed`."""
    clocks.enter(tx, dispute["charge"])
    inquiry = dispute["status"] == "warning_needs_response"
    if dispute["status"] not in ("needs_response", "warning_needs_response"):
        raise StripeError(f"The dispute is closed already: it is {dispute['status']}.")
    if inquiry != (status == "warning_closed") or status not in ("won", "lost", "warning_closed"):
        wanted = "warning_closed" if inquiry else "won or lost"
        raise StripeError(f"This dispute can only be closed as {wanted}.", param="status")
    tx.change(dispute, status=status)
    emit(tx, "charge.dispute.closed", dispute)
    if status == "won":
        _move(tx, dispute, back=True)
        emit(tx, "charge.dispute.funds_reinstated", dispute)
    return dispute


def fail_refund(tx: Transaction, refund: Body) -> Body:
    """The card's bank sent a refund back: the charge is no longer refunded by it."""
    clocks.enter(tx, refund["charge"])
    if refund["status"] != "succeeded":
        raise StripeError(f"The refund is {refund['status']} already.")
    charge = tx.get("charge", refund["charge"])
    left = charge["amount_refunded"] - refund["amount"]
    tx.change(charge, amount_refunded=left, refunded=False)
    refund["failure_reason"] = "expired_or_canceled_card"
    previous = tx.change(refund, status="failed")
    emit(tx, "refund.updated", refund, previous)
    emit(tx, "refund.failed", refund)
    return refund


def _move(tx: Transaction, dispute: Body, *, back: bool) -> None:
    moved = [*dispute["balance_transactions"], shapes.movement(tx, dispute, back=back)]
    tx.change(dispute, balance_transactions=moved)
