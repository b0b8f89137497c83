"""Stops and resumes the renewal of what a payer pays for: what is paid stays until its end.

It must never end paid time early, nor ask why. Whoever calls has decided that the payer may.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import intents, subjects, subscriptions, wishes
from billing.gateway import StripeAway, StripeRefused
from billing.models import Dispute, DomainEvent, Intent, Seat, Subscription

__all__ = ["NotSubscribed", "StripeAway", "StripeRefused", "TakenBack", "resume", "stop"]


class NotSubscribed(LookupError):
    """This payer has no subscription here that is alive; an ended one cannot be resumed."""


class TakenBack(Exception):
    """A bank has taken a payment for it back for good: it ends, and nothing is charged again."""


def stop(*, payer: Any, subject_id: UUID, now: datetime) -> None:
    """Let the payer's subscription end with its paid time; now, if no paid time is left.

    One that is ending already is left as it is. Raises NotSubscribed; StripeRefused; StripeAway
    when the wish is noted but not confirmed yet: the sweep makes it good.
    """
    with transaction.atomic(durable=True):
        mirror = _alive(payer, subject_id, now=now)
        if mirror.paid_through is not None and mirror.paid_through > now:
            intent = wishes.renew(mirror, renews=False, now=now)
        else:
            intent = _end_now(mirror, payer, now=now)
    _perform(intent, mirror, now=now)


def resume(*, payer: Any, subject_id: UUID, now: datetime) -> None:
    """Undo a stop before its end; the next charge is made as if nothing had happened.

    One that renews already is left as it is. Raises as `stop` does, and TakenBack.
    """
    with transaction.atomic(durable=True):
        mirror = _alive(payer, subject_id, now=now)
        if Dispute.objects.filter(invoice__subscription=mirror, status__in=Dispute.LOST).exists():
            raise TakenBack("A payment for it was taken back: it ends. Subscribe again after that.")
        intent = wishes.renew(mirror, renews=True, now=now)
    _perform(intent, mirror, now=now)


def _alive(payer: Any, subject_id: UUID, *, now: datetime) -> Subscription:
    """Lock the subject and return the subscription with which the payer holds its seat."""
    subjects.lock(subject_id)
    seats = Seat.objects.filter(subject_id=subject_id, payer=payer)
    seat = seats.select_related("subscription").first()
    mirror = seat.subscription if seat else None
    if mirror is None or mirror.status in Subscription.ENDED:
        raise NotSubscribed("There is no subscription here.")
    if mirror.ends_at is not None and mirror.ends_at <= now:
        raise NotSubscribed("The subscription has ended.")
    return mirror


def _end_now(mirror: Subscription, payer: Any, *, now: datetime) -> Intent:
    """Nothing paid is left to keep, and a card that is tried again would be charged after all."""
    stripe_id = mirror.stripe_subscription_id
    if subjects.cancel_and_refund(mirror, full=False, now=now):
        DomainEvent.objects.create(
            kind="renewal_stopped",
            at=now,
            subject_id=mirror.subject_id,
            payer=payer,
            data={"subscription": stripe_id, "paid_through": ""},
        )
    return wishes.ends([stripe_id])[stripe_id]


def _perform(intent: Intent | None, mirror: Subscription, *, now: datetime) -> None:
    """Make the call, and bring the mirror up to date so that the page is right at once."""
    if intent is None:
        return
    try:
        intents.perform(intent, now=now)
    except StripeRefused as error:
        found = subscriptions.sync(mirror.stripe_subscription_id, now=now)
        if found.status in Subscription.ENDED:
            raise NotSubscribed("The subscription has ended.") from error
        raise
    subscriptions.sync(mirror.stripe_subscription_id, now=now)
