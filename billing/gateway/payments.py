"""Calls about money that has moved: payments, refunds, disputes."""

from billing.gateway import client, values
from billing.gateway.values import Refund


def payments_of_invoice(invoice_id: str) -> list[str]:
    """Return the ids of the payment intents that paid an invoice."""
    with client.speaking():
        found = client.api().v1.invoice_payments.list({"invoice": invoice_id, "status": "paid"})
        payments = (payment.payment.payment_intent for payment in found.data)
        return [values.id_of(payment) for payment in payments if payment]


def refunds(payment_intent: str) -> list[Refund]:
    """Return what of a payment was given back, or is on its way back."""
    with client.speaking():
        found = client.api().v1.refunds.list({"payment_intent": payment_intent, "limit": 100})
        made = [values.refund(one) for one in found.auto_paging_iter()]
        return [one for one in made if one.status not in ("failed", "canceled")]


def refund(payment_intent: str, amount: int, *, key: str) -> str:
    """Give back that much of a payment to the card it came from; return the refund's id."""
    with client.speaking():
        made = client.api().v1.refunds.create(
            {"payment_intent": payment_intent, "amount": amount, "metadata": {"intent": key}},
            {"idempotency_key": key},
        )
        return made.id
