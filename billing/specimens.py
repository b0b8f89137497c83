"""Makes up rows of money, so that a page can be looked at in a state that nobody is in.

It must never write what stays: it refuses outside a transaction, and whoever asks rolls that back.
No call is made and nobody is told.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from billing import policy
from billing.models import (
    Checkout,
    Customer,
    Dispute,
    DomainEvent,
    Grant,
    Invoice,
    Seat,
    Subject,
    Subscription,
)

MONTH = timedelta(days=30)
PAY_URL = "https://invoice.stripe.com/i/made-up"


class NotUndone(RuntimeError):
    """There is no transaction around this, so what is made up would stay."""


def check() -> None:
    """Raise NotUndone unless what is written can be rolled back."""
    if not connection.in_atomic_block:
        raise NotUndone("Made-up rows are made in a transaction that is rolled back.")


def subject(subject_id: UUID) -> None:
    """Somebody or something to sell to."""
    check()
    Subject.objects.create(id=subject_id)


def subscription(
    payer: Any, subject_id: UUID, *, now: datetime, status: str = "active", **facts: Any
) -> Subscription:
    """A subscription as a sync would have recorded it, with its seat and its grant.

    `facts` are fields of it; what was paid ends with the period unless they say otherwise.
    """
    check()
    now = now.replace(microsecond=0)
    currency = facts.get("currency", "usd")
    defaults = {
        "status": status,
        "plan": "premium",
        "interval": "month",
        "currency": currency,
        "unit_amount": 1000,
        "period_ends_at": now + MONTH,
        "paid_through": facts.get("period_ends_at", now + MONTH),
        "card_brand": "visa",
        "card_last4": "4242",
        "created_at": now - timedelta(days=40),
    }
    row = Subscription.objects.create(
        stripe_subscription_id=f"sub_made_up_{uuid.uuid4().hex}",
        subject_id=subject_id,
        customer=_customer(payer, currency),
        **{**defaults, **facts},
    )
    if status not in Subscription.ENDED:
        Seat.objects.create(subject_id=subject_id, payer=payer, subscription=row, taken_at=now)
    _grant(row)
    return row


def _customer(payer: Any, currency: str) -> Customer:
    made, _ = Customer.objects.get_or_create(
        payer=payer,
        currency=currency,
        defaults={"stripe_customer_id": f"cus_made_up_{uuid.uuid4().hex}"},
    )
    return made


def _grant(row: Subscription) -> None:
    until = policy.ends_at(
        row.status, paid=row.paid_through, ending=row.ends_at is not None, disputed=False
    )
    if until is None or row.created_at is None or row.subject_id is None:
        return
    Grant.objects.create(
        subject_id=row.subject_id,
        plan="premium",
        starts_at=min(row.created_at, until),
        ends_at=until,
        source="subscription",
        subscription=row,
        created_at=row.created_at,
    )


def invoice(row: Subscription, *, at: datetime, number: int = 1, **facts: Any) -> Invoice:
    """An invoice of it, paid unless the facts say otherwise."""
    check()
    defaults = {
        "number": f"PC-{number:04d}",
        "status": "paid",
        "currency": row.currency,
        "total": 1070,
        "tax": 70,
        "amount_paid": 1070,
        "created_at": at,
        "hosted_url": PAY_URL,
        "pdf_url": f"{PAY_URL}/pdf",
    }
    return Invoice.objects.create(
        stripe_invoice_id=f"in_made_up_{uuid.uuid4().hex}",
        subscription=row,
        **{**defaults, **facts},
    )


def unpaid_invoice(
    row: Subscription, *, at: datetime, retry_at: datetime | None, action_required: bool = False
) -> None:
    """An invoice whose charge failed; with `action_required` its payer's bank waits for them."""
    made = invoice(row, at=at, status="open", amount_paid=0, next_attempt_at=retry_at, attempts=1)
    told = {"invoice": made.pk, "action_required": action_required}
    event(row, "payment_failed", at=at, **told)


def dispute(paid: Invoice, *, at: datetime, status: str = "needs_response") -> None:
    """The bank holds that payment back, or has taken it."""
    check()
    Dispute.objects.create(
        stripe_dispute_id=f"du_made_up_{uuid.uuid4().hex}",
        invoice=paid,
        status=status,
        amount=paid.total,
        currency=paid.currency,
        opened_at=at,
        synced_at=at,
    )


def event(row: Subscription, kind: str, *, at: datetime, **data: Any) -> None:
    """Something that happened to a subscription, and was told already."""
    check()
    DomainEvent.objects.create(
        kind=kind,
        at=at,
        subject_id=row.subject_id,
        payer=row.customer.payer if row.customer else None,
        data={"subscription": row.stripe_subscription_id, **data},
        noticed_at=at,
    )


def payment_page(payer: Any, subject_id: UUID, *, now: datetime) -> None:
    """A payment page that stands open."""
    check()
    page = Checkout.objects.create(
        id=uuid.uuid4(),
        subject_id=subject_id,
        payer=payer,
        lookup_key="premium_monthly_usd",
        state="open",
        stripe_session_id=f"cs_made_up_{uuid.uuid4().hex}",
        url="https://checkout.stripe.com/c/pay/made-up",
        started_at=now,
        expires_at=now + timedelta(hours=1),
    )
    Seat.objects.create(subject_id=subject_id, payer=payer, checkout=page, taken_at=now)


def gift(subject_id: UUID, source: str, *, now: datetime, ends_at: datetime | None) -> None:
    """A grant that no payment made."""
    check()
    now = now.replace(microsecond=0)
    Grant.objects.create(
        subject_id=subject_id,
        plan="premium",
        starts_at=now - timedelta(days=3),
        ends_at=ends_at and ends_at.replace(microsecond=0),
        source=source,
        created_at=now,
    )


def took_back(subject_id: UUID, *, at: datetime) -> None:
    """What was given has ended, and whoever is told of it is to be told once more."""
    check()
    at = at.replace(microsecond=0)
    Grant.objects.filter(subject_id=subject_id).update(ends_at=at)
    Subject.objects.filter(id=subject_id).update(version=2)
