"""What was paid back: shows it on the invoice, and tells of what was not asked for here.

It tells as well of what a bank has sent back, whoever asked for it; it is the payer's still.

A refund changes no time: who is to lose Premium is cancelled. See billing.policy.
"""

from datetime import datetime

from django.db import transaction

from billing import gateway, subjects, subscriptions
from billing.models import DomainEvent, Invoice, Subscription

FAILED = "refund_failed"


def sync(payment_intent: str, *, now: datetime) -> None:
    """Record how much of a payment was paid back, as it is at Stripe; safe to repeat.

    One that is none of ours is ignored. Raises gateway.StripeAway.
    """
    invoice_id, stripe_subscription_id = gateway.invoice_of_payment(payment_intent)
    if not stripe_subscription_id:
        return
    refunds = gateway.every_refund(payment_intent)
    mirror = subscriptions.sync(stripe_subscription_id, now=now)
    with transaction.atomic(durable=True):
        if mirror.subject_id is not None:
            subjects.lock(mirror.subject_id)
        invoice = Invoice.objects.filter(pk=invoice_id)
        invoice.update(amount_refunded=sum(made.amount for made in refunds if made.counts))
        for made in refunds:
            if made.status == "failed":
                _tell_once(FAILED, made, mirror, now=now, invoice=invoice_id)
            elif made.counts and not made.key:
                _tell_once("refunded", made, mirror, now=now, reason="")


def _tell_once(
    kind: str, made: gateway.Refund, mirror: Subscription, *, now: datetime, **facts: str
) -> None:
    told = DomainEvent.objects.filter(subject_id=mirror.subject_id, kind=kind)
    if told.filter(data__refund=made.id).exists():
        return
    facts |= {"subscription": mirror.stripe_subscription_id, "refund": made.id}
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        subject_id=mirror.subject_id,
        payer_id=mirror.customer.payer_id if mirror.customer else None,
        data={**facts, "amount": made.amount, "currency": mirror.currency},
    )
