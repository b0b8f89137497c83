"""Calls that give a payer something on the staff's word: money of an invoice, or more time."""

from datetime import UTC, datetime

from billing import gateway
from billing.calls.call import Call, Facts, note
from billing.gateway import StripeRefused


def _refund_invoice(request: Facts, key: str) -> Facts:
    """Refund as much as was said, or nothing: Stripe refuses more than is left of a payment."""
    payments = gateway.payments_of_invoice(request["invoice"])
    if not payments:
        raise StripeRefused("This invoice was not paid with a card: nothing can go back.", "unpaid")
    return {"refund": gateway.refund(payments[0], request["amount"], key=key)}


def _find_refund(request: Facts, key: str) -> Facts | None:
    """The refund that an earlier attempt has made, under this key or one that followed from it."""
    for payment in gateway.payments_of_invoice(request["invoice"]):
        for made in gateway.refunds(payment):
            if made.key == key or made.key.startswith(f"{key}:"):
                return {"refund": made.id}
    return None


def _note_refund(request: Facts, _answer: Facts, now: datetime) -> None:
    facts = {name: request[name] for name in ("invoice", "amount", "currency", "reason")}
    note("refunded", request["subscription"], now=now, actor=request["actor"], **facts)


def _extend(request: Facts, key: str) -> Facts:
    until = datetime.fromtimestamp(request["until"], UTC)
    gateway.extend(request["subscription"], until, key=key)
    return {}


def _note_extension(request: Facts, _answer: Facts, now: datetime) -> None:
    until = datetime.fromtimestamp(request["until"], UTC).isoformat()
    facts = {"days": request["days"], "until": until, "reason": request["reason"]}
    note("extended", request["subscription"], now=now, actor=request["actor"], **facts)


REFUND_INVOICE = Call(_refund_invoice, _note_refund, find=_find_refund)
# It names an instant, which it sets or finds set: there is nothing to look up.
EXTEND = Call(_extend, _note_extension)
