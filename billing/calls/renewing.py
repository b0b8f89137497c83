"""Calls about how a subscription goes on, or ends, and what is given back then."""

from datetime import datetime

from billing import gateway, refunds
from billing.calls.call import Call, Facts, note


def _cancel(request: Facts, key: str) -> Facts:
    gateway.cancel_subscription(request["subscription"], key=key)
    return {}


def _refund(request: Facts, key: str) -> Facts:
    ended_at, full = request["ended_at"], bool(request.get("full"))
    return refunds.give_back(request["subscription"], ended_at=ended_at, full=full, key=key)


def _note_refund(request: Facts, answer: Facts, now: datetime) -> None:
    if answer["amount"]:
        note("refunded", request["subscription"], now=now, amount=answer["amount"])


def _set_renewal(request: Facts, key: str) -> Facts:
    gateway.set_renewal(request["subscription"], renews=request["renews"], key=key)
    return {}


def _note_renewal(request: Facts, _answer: Facts, now: datetime) -> None:
    """Only what Stripe has confirmed has happened, and may be told to people."""
    kind = "renewal_resumed" if request["renews"] else "renewal_stopped"
    note(kind, request["subscription"], now=now, paid_through=request["paid_through"])


CANCEL_SUBSCRIPTION = Call(_cancel)
REFUND_SUBSCRIPTION = Call(_refund, _note_refund)
SET_RENEWAL = Call(_set_renewal, _note_renewal)
