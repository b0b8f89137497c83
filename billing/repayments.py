"""What was paid back: shows it on the invoice, and tells of what was not asked for here.

A refund changes no time: who is to lose Premium is cancelled. See billing.policy.
"""

from datetime import datetime

from django.db import transaction

from billing import gateway, subjects, subscriptions
from billing.models import DomainEvent, Invoice, Subscription


def sync(payment_intent: str, *, now: datetime) -> None:
    """Record how much of a payment was paid back, as it is at Stripe; safe to repeat.

    One that is none of ours is ignored. Raises gateway.StripeAway.
    """
    invoice_id, stripe_subscription_id = gateway.invoice_of_payment(payment_intent)
    if not stripe_subscription_id:
        return
    refunds = gateway.refunds(payment_intent)
    mirror = subscriptions.sync(stripe_subscription_id, now=now)
    with transaction.atomic(durable=True):
        if mirror.subject_id is not None:
            subjects.lock(mirror.subject_id)
        invoice = Invoice.objects.filter(pk=invoice_id)
        invoice.update(amount_refunded=sum(refund.amount for refund in refunds))
        for refund in refunds:
            if not refund.key and not _is_told(mirror, refund.id):
                facts = {"refund": refund.id, "amount": refund.amount, "currency": mirror.currency}
                DomainEvent.objects.create(
                    kind="refunded",
                    at=now,
                    subject_id=mirror.subject_id,
                    payer_id=mirror.customer.payer_id if mirror.customer else None,
                    data={"subscription": stripe_subscription_id, "reason": "", **facts},
                )


def _is_told(mirror: Subscription, refund_id: str) -> bool:
    told = DomainEvent.objects.filter(subject_id=mirror.subject_id, kind="refunded")
    return told.filter(data__refund=refund_id).exists()
