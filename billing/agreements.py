"""Remembers what payers agreed to, and which contracts run; it decides nothing about either."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from billing.catalog import Price
from billing.models import Agreement, Checkout, Seat, Subscription

# The version of the terms of use: the day on which their text last changed what it says.
TERMS = "2026-11-23"


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody has read before they pressed the button, and whether they asked to begin."""

    language: str
    words: dict[str, str]
    asked_to_start: bool = False


def record(checkout: Checkout, price: Price, shown: Shown | None, *, now: datetime) -> None:
    """Keep what the payer agreed to with this page, if they were shown anything.

    In the caller's transaction.
    """
    if shown is None:
        return
    Agreement.objects.create(
        checkout=checkout,
        subject_id=checkout.subject_id,
        payer_id=checkout.payer_id,
        at=now,
        language=shown.language,
        terms=TERMS,
        unit_amount=price.unit_amount,
        currency=price.currency,
        interval=price.interval,
        words=shown.words,
        asked_to_start=shown.asked_to_start,
    )


def of_payer(payer: Any) -> QuerySet[Agreement]:
    """All that somebody agreed to, newest first."""
    return Agreement.objects.filter(payer=payer).order_by("-at", "-id")


def of_subject(subject_id: UUID) -> QuerySet[Agreement]:
    """All that was agreed to about a subject, by whomever, newest first."""
    rows = Agreement.objects.filter(subject_id=subject_id).select_related("payer")
    return rows.order_by("-at", "-id")


def running(payer: Any) -> dict[UUID, str]:
    """The subjects that a payer has a running contract for, each with its number at Stripe."""
    seats = Seat.objects.filter(payer=payer, subscription__isnull=False)
    alive = seats.exclude(subscription__status__in=Subscription.ENDED)
    return dict(alive.values_list("subject_id", "subscription__stripe_subscription_id"))


def paid_through(payer: Any, subject_id: UUID) -> datetime | None:
    """Until when a running contract is paid."""
    seats = Seat.objects.filter(payer=payer, subject_id=subject_id)
    return seats.values_list("subscription__paid_through", flat=True).first()
