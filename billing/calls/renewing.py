"""Calls about how a subscription goes on, or ends, and what is given back then."""

from datetime import datetime

from billing import gateway, refunds
from billing.calls.call import Call, Facts, note, seen_from
from billing.gateway import StripeRefused, lookups
from billing.models import Subscription


def _cancel(request: Facts, key: str) -> Facts:
    gateway.cancel_subscription(request["subscription"], key=key)
    return {}


def _find_end(request: Facts, _key: str) -> Facts | None:
    try:
        return {} if lookups.course(request["subscription"]).ended else None
    except StripeRefused as error:
        if error.code == gateway.GONE:
            return {}
        raise


def _refund(request: Facts, key: str) -> Facts:
    """It looks up by itself what it gave back before, payment by payment."""
    subscription = request["subscription"]
    return refunds.give_back(
        subscription,
        ended_at=request["ended_at"],
        full=bool(request.get("full")),
        wish=f"refund:{subscription}",
        key=key,
    )


def _note_refund(request: Facts, answer: Facts, now: datetime) -> None:
    if answer["amount"]:
        stripe_id = request["subscription"]
        its = Subscription.objects.filter(stripe_subscription_id=stripe_id)
        facts = {"amount": answer["amount"], "currency": its.values_list("currency", flat=True)[0]}
        note("refunded", stripe_id, now=now, **facts)


def _set_renewal(request: Facts, key: str) -> Facts:
    gateway.set_renewal(request["subscription"], renews=request["renews"], key=key)
    return seen_from(request)


def _find_renewal(request: Facts, _key: str) -> Facts | None:
    found = lookups.course(request["subscription"])
    return seen_from(request) if not found.ended and found.ends != request["renews"] else None


def _note_renewal(request: Facts, _answer: Facts, now: datetime) -> None:
    """Only what Stripe has confirmed has happened, and may be told to people."""
    kind = "renewal_resumed" if request["renews"] else "renewal_stopped"
    facts = {"paid_through": request["paid_through"]}
    if request.get("because"):
        facts["because"] = request["because"]
    note(kind, request["subscription"], now=now, **facts)


CANCEL_SUBSCRIPTION = Call(_cancel, find=_find_end)
REFUND_SUBSCRIPTION = Call(_refund, _note_refund)
SET_RENEWAL = Call(_set_renewal, _note_renewal, find=_find_renewal)
