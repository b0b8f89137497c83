"""Withdrawing from a contract within 14 days: it ends now, and unused time is paid back.

Who has this right is not decided here. That somebody has declared it counts at once, whether Stripe
answers or not: the sweep makes the calls good.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import intents, subjects, subscriptions, wishes
from billing.gateway import StripeAway, StripeRefused
from billing.models import DomainEvent, Seat, Subscription

DAYS = timedelta(days=14)


class NothingToWithdrawFrom(LookupError):
    """There is no contract here of this payer that is younger than 14 days."""


def until(*, payer: Any, subject_id: UUID, now: datetime) -> datetime | None:
    """Until when this payer can withdraw; None if they cannot, or can no longer."""
    seats = Seat.objects.filter(subject_id=subject_id, payer=payer)
    seat = seats.select_related("subscription").first()
    return _until(seat.subscription if seat else None, now=now)


def withdraw(
    *, payer: Any, subject_id: UUID, declared_at: datetime | None = None, now: datetime
) -> None:
    """End the contract now and have the share of unused time paid back to the card.

    What was declared some time ago is within the 14 days if it was so then, and unused is all the
    time since then. Raises NothingToWithdrawFrom.
    """
    declared_at = declared_at or now
    with transaction.atomic(durable=True):
        subjects.lock(subject_id)
        seats = Seat.objects.filter(subject_id=subject_id, payer=payer)
        seat = seats.select_related("subscription").first()
        mirror = seat.subscription if seat else None
        if mirror is None or _until(mirror, now=declared_at) is None:
            raise NothingToWithdrawFrom("There is nothing to withdraw from.")
        # Whoever asks first decides what is given back.
        subjects.cancel_and_refund(mirror, full=False, now=declared_at)
        subjects.end_now(mirror, now=now)
        stripe_id = mirror.stripe_subscription_id
        DomainEvent.objects.create(
            kind="withdrawn",
            at=declared_at,
            subject_id=subject_id,
            payer=payer,
            data={"subscription": stripe_id, "currency": mirror.currency},
        )
    _make(stripe_id, now=now)


def _until(mirror: Subscription | None, *, now: datetime) -> datetime | None:
    if mirror is None or mirror.created_at is None or mirror.status in Subscription.ENDED:
        return None
    end = mirror.created_at + DAYS
    return end if now < end else None


def _make(stripe_id: str, *, now: datetime) -> None:
    """Make the calls if Stripe answers; that the declaration counts does not hang on it."""
    ends = list(wishes.ends([stripe_id]).values())
    try:
        for intent in [*ends, *wishes.refunds_of(ends)]:
            intents.perform(intent, now=now)
        subscriptions.sync(stripe_id, now=now)
    except (StripeAway, StripeRefused):
        return
