"""Decides who is to be reminded of a charge to come, in time to cancel, and that it is done once.

It must never charge, nor know how people are told.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

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
    """Return whose charge has come near since it was looked last; none if that was just now."""
    looked = Bookmark.objects.filter(name=_BOOKMARK).first()
    if looked is not None and looked.at > now - EVERY:
        return []
    # By the index that finds them: by id alone, all subscriptions would be gone through.
    first = _first_charges(now).order_by("trial_ends_at", "pk")[:AT_ONCE]
    found = [*first, *_yearly_charges(now).order_by("paid_through", "pk")[:AT_ONCE]]
    if len(found) < AT_ONCE:
        Bookmark.objects.update_or_create(name=_BOOKMARK, defaults={"at": now})
    return [subscription.pk for subscription in found]


def remind(subscription_id: int, *, now: datetime) -> None:
    """Write down that a charge is ahead, where that is news; no later round looks at it again."""
    with transaction.atomic():
        its = Subscription.objects.select_for_update(no_key=True).filter(pk=subscription_id)
        if not its.exists():
            return
        first = _first_charges(now).filter(pk=subscription_id).first()
        yearly = _yearly_charges(now).filter(pk=subscription_id).first()
        if first is not None and _is_news("trial_ending", first, BEFORE_FIRST, now=now):
            _note("trial_ending", first, first.trial_ends_at, now=now)
        if yearly is not None and _is_news("renewal_ahead", yearly, BEFORE_YEARLY, now=now):
            _note("renewal_ahead", yearly, yearly.paid_through, now=now)
        charges = [first and first.trial_ends_at, yearly and yearly.paid_through]
        if seen := [charge for charge in charges if charge]:
            its.update(reminded_for=max(seen))


def _first_charges(now: datetime) -> QuerySet[Subscription]:
    """Trials that are about to end."""
    return _unseen("trial_ends_at", BEFORE_FIRST, now).filter(status=Subscription.Status.TRIALING)


def _yearly_charges(now: datetime) -> QuerySet[Subscription]:
    """Renewals by the year; free time that was added to a paid period is a trial to Stripe."""
    running = Q(status=Subscription.Status.ACTIVE) | Q(
        _HAS_PAID, status=Subscription.Status.TRIALING
    )
    return _unseen("paid_through", BEFORE_YEARLY, now).filter(running, interval="year")


def _unseen(charge: str, before: timedelta, now: datetime) -> QuerySet[Subscription]:
    """What renews, has a payer and a subject, and whose charge has come near unseen."""
    near = {f"{charge}__gt": now, f"{charge}__lte": now + before}
    return Subscription.objects.filter(
        Q(reminded_for=None) | Q(reminded_for__lt=F(charge)),
        ends_at=None,
        subject__isnull=False,
        customer__isnull=False,
        **near,
    )


def _is_news(kind: str, subscription: Subscription, before: timedelta, *, now: datetime) -> bool:
    """Whether nobody has told of this charge; the receipt of who began so late has."""
    spoken = DomainEvent.objects.filter(
        subject_id=subscription.subject_id,
        kind=kind,
        at__gt=now - before,
        data__subscription=subscription.stripe_subscription_id,
    )
    if spoken.exists() or kind != "trial_ending":
        return not spoken.exists()
    began, ends = subscription.created_at, subscription.trial_ends_at
    late = began is None or ends is None or began >= ends - before
    return not late and not Subscription.objects.filter(_HAS_PAID, pk=subscription.pk).exists()


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
    """What will be charged, but for tax that is put on: with the discount, if it lasts so long."""
    discounted, ends = subscription.discounted_amount, subscription.discount_ends_at
    if discounted is not None and (ends is None or ends > charge_at):
        return discounted
    return subscription.unit_amount
