"""Gives a subscription that did not come from our checkout its subject and its payer.

Staff make such subscriptions in Stripe's dashboard: their mirror has no subject, holds no seat and
grants nothing until one is adopted. It must never know what the subject is; whoever calls says by
`still_may` whether this payer may pay for it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction

from billing import gateway, subjects, subscriptions
from billing.gateway import StripeAway, StripeRefused
from billing.models import Customer, DomainEvent, Seat, Subscription

__all__ = ["CannotAdopt", "StripeAway", "StripeRefused", "adopt"]


class CannotAdopt(Exception):
    """It cannot be this subject's or this payer's; the message says why."""


def adopt(
    *,
    subscription_id: int,
    subject_id: UUID,
    payer: Any,
    still_may: Callable[[], None],
    reason: str,
    actor: Any,
    now: datetime,
) -> bool:
    """Seat a subscription: from now on it grants its subject what it pays for.

    False if it has this subject already. `still_may` is called under the subject's lock and raises
    if the payer may not pay for it. Raises CannotAdopt, StripeRefused, StripeAway; after the last
    one nothing was changed, or all of it and the grant follows with the next event or reconcile.
    """
    stripe_id = Subscription.objects.values_list("stripe_subscription_id", flat=True).get(
        pk=subscription_id
    )
    fetched = gateway.subscription(stripe_id)
    with transaction.atomic(durable=True):
        subjects.lock(subject_id)
        mirror = Subscription.objects.select_for_update(no_key=True).get(pk=subscription_id)
        new = mirror.subject_id != subject_id
        if new:
            still_may()
            _check(mirror, fetched, subject_id)
            _seat(mirror, fetched, subject_id, payer, now=now)
            DomainEvent.objects.create(
                kind="subscription_adopted",
                at=now,
                subject_id=subject_id,
                payer=payer,
                actor=actor,
                data={"subscription": stripe_id, "reason": reason},
            )
    subscriptions.sync(stripe_id, now=now)
    return new


def _check(mirror: Subscription, fetched: gateway.Subscription, subject_id: UUID) -> None:
    if mirror.subject_id is not None or mirror.checkout_id is not None:
        raise CannotAdopt("This subscription pays for something already.")
    if fetched.status in Subscription.ENDED:
        raise CannotAdopt("This subscription has ended: there is nothing to adopt.")
    seat = Seat.objects.filter(subject_id=subject_id).first()
    if seat is not None:
        what = "has a subscription" if seat.subscription_id else "has a payment page open"
        raise CannotAdopt(
            f"Somebody {what} for this car already. End that first, or wait until the page closes."
        )


def _seat(
    mirror: Subscription,
    fetched: gateway.Subscription,
    subject_id: UUID,
    payer: Any,
    *,
    now: datetime,
) -> None:
    mirror.customer = _customer(payer, fetched, now=now)
    mirror.subject_id, mirror.adopted_at = subject_id, now
    mirror.save(update_fields=["customer", "subject", "adopted_at"])
    Seat.objects.create(subject_id=subject_id, payer=payer, subscription=mirror, taken_at=now)


def _customer(payer: Any, fetched: gateway.Subscription, *, now: datetime) -> Customer:
    """The payer's customer at Stripe; one that nobody has yet becomes the next of theirs."""
    # Two adoptions for one payer at once would count the same ordinal.
    get_user_model().objects.select_for_update(no_key=True).get(pk=payer.pk)
    known = Customer.objects.filter(stripe_customer_id=fetched.customer).first()
    if known is not None:
        if known.payer_id != payer.pk:
            raise CannotAdopt("At Stripe, this subscription is another account's.")
        return known
    currency = fetched.price.currency
    theirs = Customer.objects.filter(payer=payer, currency=currency).order_by("-ordinal").first()
    return Customer.objects.create(
        payer=payer,
        currency=currency,
        ordinal=theirs.ordinal + 1 if theirs else 1,
        stripe_customer_id=fetched.customer,
        created_at=now,
    )
