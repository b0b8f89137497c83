"""Ends all that a payer pays for, and says when Stripe has confirmed every bit of it.

It must never delete what the law keeps: invoices stay, without the person. Whoever calls has made
sure that the payer wants it, and that nothing new can be bought meanwhile.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from billing import subjects, subscriptions, wishes
from billing.gateway import StripeAway, customers
from billing.models import Checkout, Customer, DomainEvent, Intent, Seat, Subscription

__all__ = ["StripeAway", "delete_customers", "end_all", "forget", "is_settled"]


def end_all(*, payer: Any, now: datetime) -> None:
    """Free every seat that the payer holds: access ends now and unused time is paid back.

    What they pay for without a seat ends as well. Safe to repeat.
    """
    for subject_id in Seat.objects.filter(payer=payer).values_list("subject_id", flat=True):
        with transaction.atomic(durable=True):
            subjects.lock(subject_id)
            if Seat.objects.filter(subject_id=subject_id, payer=payer).exists():
                subjects.vacate(subject_id, actor=payer, now=now)
    for mirror in _running(payer):
        _end(mirror, now=now)


def is_settled(*, payer: Any, now: datetime) -> bool:
    """Whether Stripe has confirmed all: each call answered, each subscription ended, none unknown.

    Asks Stripe, and ends what it finds there still running. Raises StripeAway.
    """
    if _unanswered(payer).exists() or _open_pages(payer).exists():
        return False
    for mirror in _running(payer):
        subscriptions.sync(mirror.stripe_subscription_id, now=now)
    for customer in Customer.objects.filter(payer=payer):
        for stripe_id in customers.subscriptions_of(customer.stripe_customer_id):
            _end(subscriptions.sync(stripe_id, now=now), now=now)
    return not (_running(payer).exists() or _unanswered(payer).exists())


def delete_customers(*, payer: Any, now: datetime) -> bool:
    """Have Stripe forget the payer; True once it has. Only when all is settled."""
    done = True
    for customer in Customer.objects.filter(payer=payer):
        stripe_id = customer.stripe_customer_id
        with transaction.atomic(durable=True):
            intent, _ = wishes.record(
                Intent.Kind.DELETE_CUSTOMER, f"delete:{stripe_id}", {"customer": stripe_id}, now=now
            )
        done &= intent.answered_at is not None and "refused" not in (intent.answer or {})
    return done


def forget(*, payer: Any) -> None:
    """Take the payer's addresses out of what we keep, in the caller's transaction."""
    made = Intent.objects.filter(
        kind=Intent.Kind.CREATE_CUSTOMER, idempotency_key__startswith=f"customer:{payer.pk}:"
    )
    for intent in made:
        intent.request = {**intent.request, "email": ""}
        intent.save(update_fields=["request"])
    moved = DomainEvent.objects.filter(payer=payer, kind="account_moved")
    for event in moved:
        event.data = {"reason": event.data.get("reason", "")}
        event.save(update_fields=["data"])


def _end(mirror: Subscription, *, now: datetime) -> None:
    if mirror.status in Subscription.ENDED:
        return
    with transaction.atomic(durable=True):
        if mirror.subject_id is not None:
            subjects.lock(mirror.subject_id)
        subjects.end_now(mirror, now=now)


def _running(payer: Any) -> Any:
    mine = Subscription.objects.filter(customer__payer=payer)
    return mine.exclude(status__in=Subscription.ENDED)


def _open_pages(payer: Any) -> Any:
    """Pages that are open, or whose end nobody has heard of: one of them may have been paid."""
    unheard = Q(state=Checkout.State.ABANDONED, subscription=None, stripe_session_id__isnull=False)
    return Checkout.objects.filter(Q(state__in=Checkout.LIVE) | unheard, payer=payer)


def _unanswered(payer: Any) -> Any:
    """The calls about this payer that Stripe has not answered; few wait at any time."""
    mine = Subscription.objects.filter(customer__payer=payer)
    pages = Checkout.objects.filter(payer=payer).values_list("id", flat=True)
    about = (
        Q(request__subscription__in=list(mine.values_list("stripe_subscription_id", flat=True)))
        | Q(request__checkout__in=[str(page) for page in pages])
        | Q(request__payer=str(payer.pk))
    )
    return Intent.objects.filter(about, answered_at=None)
