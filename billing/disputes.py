"""What banks take back: keeps the mirror of Stripe's disputes and ends what a lost one paid for.

It must never judge a dispute; Stripe says how it stands, and billing.policy what that means.
"""

from datetime import datetime

from django.db import transaction

from billing import gateway, subjects, subscriptions, wishes
from billing.models import Dispute, DomainEvent, Invoice, Subscription

OPENED, WON, LOST = "dispute_opened", "dispute_won", subscriptions.DISPUTE_LOST


def sync(stripe_dispute_id: str, *, now: datetime) -> None:
    """Fetch a dispute from Stripe and record what follows; safe to repeat, in any order.

    One about a payment that is none of ours is ignored. Raises gateway.StripeAway.
    """
    found = gateway.dispute(stripe_dispute_id)
    if not found.payment_intent:
        return
    invoice_id, stripe_subscription_id = gateway.invoice_of_payment(found.payment_intent)
    if not stripe_subscription_id:
        return
    mirror = subscriptions.sync(stripe_subscription_id, now=now)
    with transaction.atomic(durable=True):
        if mirror.subject_id is not None:
            subjects.lock(mirror.subject_id)
        _record(found, invoice_id, now=now)
    # Whatever became of the row, this time or before: the grant follows it, and so does the end.
    mirror = subscriptions.sync(stripe_subscription_id, now=now)
    with transaction.atomic(durable=True):
        if mirror.subject_id is not None:
            subjects.lock(mirror.subject_id)
        _tell(found.id, mirror, now=now)
    if found.status in Dispute.HARMLESS:
        # While the bank held the payment, Stripe gave nothing of it back.
        wishes.refund_again(stripe_subscription_id, refused=gateway.DISPUTED, now=now)


def _record(found: gateway.Dispute, invoice_id: str, *, now: datetime) -> None:
    known = Dispute.objects.filter(pk=found.id).first()
    decided = known is not None and _phase(known.status) in (WON, LOST)
    if decided and _phase(found.status) == OPENED and not found.status.startswith("appeal"):
        return  # An older look: what is decided is reopened by an appeal only.
    invoice = Invoice.objects.filter(pk=invoice_id).first()
    Dispute.objects.update_or_create(
        pk=found.id,
        defaults={
            "invoice": invoice,
            "status": found.status,
            "reason": found.reason,
            "amount": found.amount,
            "currency": found.currency,
            "opened_at": found.opened_at,
            "synced_at": now,
        },
    )


def _tell(stripe_dispute_id: str, mirror: Subscription, *, now: datetime) -> None:
    """Write down how it stands, once, and only when the grant says it too: people are told both."""
    row = Dispute.objects.get(pk=stripe_dispute_id)
    kinds = DomainEvent.objects.filter(
        subject_id=mirror.subject_id, kind__in=(OPENED, WON, LOST), data__dispute=row.pk
    ).order_by("-id")
    phase = _phase(row.status)
    if phase in ("", kinds.values_list("kind", flat=True).first()):
        return
    facts = {"dispute": row.pk, "amount": row.amount, "currency": row.currency}
    DomainEvent.objects.create(
        kind=phase,
        at=now,
        subject_id=mirror.subject_id,
        payer_id=mirror.customer.payer_id if mirror.customer else None,
        data={"subscription": mirror.stripe_subscription_id, **facts},
    )


def _phase(status: str) -> str:
    """How a status reads to a payer; empty for a mere question of the bank's."""
    if status in Dispute.LOST:
        return LOST
    if status == "won":
        return WON
    return "" if not status or status in Dispute.HARMLESS else OPENED
