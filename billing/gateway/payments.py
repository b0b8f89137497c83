"""Calls about money that has moved: payments, refunds, disputes."""

from typing import Any

from billing.gateway import client, values
from billing.gateway.values import Dispute, Refund


def payments_of_invoice(invoice_id: str) -> list[str]:
    """Return the ids of the payment intents that paid an invoice."""
    with client.speaking():
        found = client.api().v1.invoice_payments.list({"invoice": invoice_id, "status": "paid"})
        payments = (payment.payment.payment_intent for payment in found.data)
        return [values.id_of(payment) for payment in payments if payment]


def refunds(payment_intent: str) -> list[Refund]:
    """Return what of a payment was given back, or is on its way back."""
    return [one for one in every_refund(payment_intent) if one.counts]


def every_refund(payment_intent: str) -> list[Refund]:
    """Return also what did not arrive, or was called back."""
    with client.speaking():
        found = client.api().v1.refunds.list({"payment_intent": payment_intent, "limit": 100})
        return [values.refund(one) for one in found.auto_paging_iter()]


def refund(payment_intent: str, amount: int, *, key: str) -> str:
    """Give back that much of a payment to the card it came from; return the refund's id."""
    with client.speaking():
        made = client.api().v1.refunds.create(
            {"payment_intent": payment_intent, "amount": amount, "metadata": {"intent": key}},
            {"idempotency_key": key},
        )
        return made.id


def dispute(dispute_id: str) -> Dispute:
    """Return a dispute as it is now."""
    with client.speaking():
        return values.dispute(client.api().v1.disputes.retrieve(dispute_id))


def invoice_of_payment(payment_intent: str) -> tuple[str, str]:
    """The ids of the invoice that a payment paid and of its subscription; empty where none is."""
    which: Any = {"type": "payment_intent", "payment_intent": payment_intent}
    with client.speaking():
        found = client.api().v1.invoice_payments.list(
            {"payment": which, "expand": ["data.invoice"]}
        )
        invoices: list[Any] = [payment.invoice for payment in found.data]
        for invoice in invoices:
            details = invoice.parent.subscription_details if invoice.parent else None
            return invoice.id, values.id_of(details.subscription) if details else ""
    return "", ""
