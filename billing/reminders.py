"""Decides who is to be reminded of a charge to come, in time to cancel, and that it is done once.

It must never charge, nor know how people are told.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.fields.json import KeyTextTransform

from billing.models import Bookmark, DomainEvent, Invoice, Subscription

# Card networks ask for seven days before the first charge; a day more, for a sweep that is late.
BEFORE_FIRST = timedelta(days=8)
# Laws on yearly renewals ask for a reminder between 15 and 45 days before.
BEFORE_YEARLY = timedelta(days=30)
EVERY = timedelta(minutes=15)
AT_ONCE = 500
_BOOKMARK = "reminders"
_HAS_PAID = Exists(Invoice.objects.filter(subscription=OuterRef("pk"), amount_paid__gt=0))


def due(now: datetime) -> list[int]:
    """Return the subscriptions whose payers are to be reminded; none if it was asked just now."""
    looked = Bookmark.objects.filter(name=_BOOKMARK).first()
    if looked is not None and looked.at > now - EVERY:
        return []
    # By the index that finds them: by id, all subscriptions would be gone through.
    first = _first_charges(now).order_by("trial_ends_at")[:AT_ONCE]
    found = [*first, *_yearly_charges(now).order_by("paid_through")[:AT_ONCE]]
    if len(found) < AT_ONCE:
        Bookmark.objects.update_or_create(name=_BOOKMARK, defaults={"at": now})
    return [subscription.pk for subscription in found]


def remind(subscription_id: int, *, now: datetime) -> None:
    """Write down that a charge is ahead, unless that was done for it before."""
    with transaction.atomic():
        its = Subscription.objects.select_for_update(no_key=True).filter(pk=subscription_id)
        if not its.exists():
            return
        if (first := _first_charges(now).filter(pk=subscription_id).first()) is not None:
            _note("trial_ending", first, first.trial_ends_at, now=now)
        elif (yearly := _yearly_charges(now).filter(pk=subscription_id).first()) is not None:
            _note("renewal_ahead", yearly, yearly.paid_through, now=now)


def _first_charges(now: datetime) -> QuerySet[Subscription]:
    """Trials that are about to end; who began so late that the receipt said it all is left out."""
    return _unreminded("trial_ending", now - BEFORE_FIRST).filter(
        ~_HAS_PAID,
        status=Subscription.Status.TRIALING,
        trial_ends_at__gt=now,
        trial_ends_at__lte=now + BEFORE_FIRST,
        created_at__lt=F("trial_ends_at") - BEFORE_FIRST,
    )


def _yearly_charges(now: datetime) -> QuerySet[Subscription]:
    """Renewals by the year; free time that was added to a paid period is a trial to Stripe."""
    running = Q(status=Subscription.Status.ACTIVE) | Q(
        _HAS_PAID, status=Subscription.Status.TRIALING
    )
    return _unreminded("renewal_ahead", now - BEFORE_YEARLY).filter(
        running, interval="year", paid_through__gt=now, paid_through__lte=now + BEFORE_YEARLY
    )


def _unreminded(kind: str, since: datetime) -> QuerySet[Subscription]:
    """What renews, has a payer and a subject, and was not spoken of `since` then."""
    named = KeyTextTransform("subscription", "data")
    spoken = DomainEvent.objects.annotate(named=named).filter(
        subject_id=OuterRef("subject_id"),
        kind=kind,
        at__gt=since,
        named=OuterRef("stripe_subscription_id"),
    )
    running = Subscription.objects.filter(
        ends_at=None, subject__isnull=False, customer__isnull=False
    )
    return running.filter(~Exists(spoken))


def _note(
    kind: str, subscription: Subscription, charge_at: datetime | None, *, now: datetime
) -> None:
    customer = subscription.customer
    if customer is None or charge_at is None:
        return
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        subject_id=subscription.subject_id,
        payer_id=customer.payer_id,
        data={
            "subscription": subscription.stripe_subscription_id,
            "charge_at": charge_at.isoformat(),
            "amount": _amount(subscription, charge_at),
            "currency": subscription.currency,
            "interval": subscription.interval,
        },
    )


def _amount(subscription: Subscription, charge_at: datetime) -> int | None:
    """What will be charged before tax: with the discount, if it lasts until then."""
    discounted, ends = subscription.discounted_amount, subscription.discount_ends_at
    if discounted is not None and (ends is None or ends > charge_at):
        return discounted
    return subscription.unit_amount
