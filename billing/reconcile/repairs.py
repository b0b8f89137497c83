"""Repairs that a fetch alone does not bring about; each goes the way that its use case goes."""

from datetime import datetime

from django.db import transaction

from billing import owners, subjects, subscriptions
from billing.models import DomainEvent, Grant, Seat, Subscription
from billing.reconcile.finding import Repair


def reseat(stripe_subscription_id: str) -> Repair:
    """Give a live subscription its seat back, unless it is another's, or not theirs any more."""

    def repair(now: datetime) -> bool:
        mirror = subscriptions.sync(stripe_subscription_id, now=now)
        with transaction.atomic(durable=True):
            held = _take_seat(mirror, now=now)
        if held:
            subscriptions.sync(stripe_subscription_id, now=now)
        return held

    return repair


def _take_seat(mirror: Subscription, *, now: datetime) -> bool:
    if mirror.subject_id is None or mirror.status in Subscription.ENDED:
        return False
    subjects.lock(mirror.subject_id)
    seat = Seat.objects.filter(subject_id=mirror.subject_id).first()
    if seat is not None:
        return seat.subscription_id == mirror.pk
    payer_id = mirror.checkout.payer_id if mirror.checkout else None
    if payer_id is None and mirror.customer is not None:
        payer_id = mirror.customer.payer_id
    pair = (mirror.subject_id, payer_id)
    if payer_id is None or owners.wrong([pair]):
        return False  # Whoever has no right to it any more gets no seat, paid or not.
    Seat.objects.create(
        subject_id=mirror.subject_id, payer_id=payer_id, subscription=mirror, taken_at=now
    )
    DomainEvent.objects.create(
        kind="seat_restored",
        at=now,
        subject_id=mirror.subject_id,
        payer_id=payer_id,
        data={"subscription": mirror.stripe_subscription_id},
    )
    return True


def end(stripe_subscription_id: str) -> Repair:
    """End the grant of a subscription whose end was decided before."""

    def repair(now: datetime) -> bool:
        mirror = Subscription.objects.get(stripe_subscription_id=stripe_subscription_id)
        with transaction.atomic(durable=True):
            if mirror.subject_id is not None:
                subjects.lock(mirror.subject_id)
            subjects.end_now(mirror, now=now)
        return not Grant.objects.filter(subscription=mirror, ends_at__gt=now).exists()

    return repair
