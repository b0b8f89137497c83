"""Brings our mirror of a subscription up to date: fetch, decide, record, announce.

# Note [A ticket per fetch]
Two workers may fetch the same subscription and write in the other order. Each takes a ticket (a
counter on the row) before it fetches, and records only if no later ticket has been recorded: what
was fetched later is never overwritten by what was fetched earlier.

# Note [Only the seat's holder yields a grant]
The mirror refuses nothing that Stripe says, but a subscription grants something only while it
holds its subject's seat. It gets the seat from the checkout of ours that made it; metadata is not
trusted.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q

from billing import gateway, invoices, policy, subjects
from billing.models import (
    Checkout,
    Customer,
    DomainEvent,
    Grant,
    Seat,
    StripePrice,
    Subscription,
)


def sync(stripe_subscription_id: str, *, now: datetime) -> Subscription:
    """Fetch a subscription from Stripe and record what follows; safe to repeat, in any order.

    Raises gateway.StripeAway when Stripe does not answer; then nothing was changed.
    """
    mirror = _known(stripe_subscription_id)
    ticket = _take_ticket(mirror)
    fetched = gateway.subscription(stripe_subscription_id)
    checkout = mirror.checkout or _checkout_of(stripe_subscription_id)
    with transaction.atomic(durable=True):
        if checkout is not None:
            subjects.lock(checkout.subject_id)
            checkout.refresh_from_db()  # Somebody may have abandoned it while we waited.
        mirror = Subscription.objects.select_for_update(no_key=True).get(pk=mirror.pk)
        if ticket > mirror.recorded_ticket:
            _record(mirror, fetched, checkout, ticket, now=now)
    return mirror


def _known(stripe_subscription_id: str) -> Subscription:
    mirror, _ = Subscription.objects.select_related("checkout").get_or_create(
        stripe_subscription_id=stripe_subscription_id
    )
    return mirror


def _take_ticket(mirror: Subscription) -> int:
    with transaction.atomic():
        Subscription.objects.filter(pk=mirror.pk).update(ticket=F("ticket") + 1)
        return Subscription.objects.values_list("ticket", flat=True).get(pk=mirror.pk)


def _checkout_of(stripe_subscription_id: str) -> Checkout | None:
    session = gateway.session_of_subscription(stripe_subscription_id)
    if session is None:
        return None
    return Checkout.objects.filter(stripe_session_id=session.id).first()


def _record(
    mirror: Subscription,
    fetched: gateway.Subscription,
    checkout: Checkout | None,
    ticket: int,
    *,
    now: datetime,
) -> None:
    before = mirror.status
    _mirror(mirror, fetched, checkout, ticket, now=now)
    invoices.mirror(mirror, fetched.invoices)
    if checkout is not None:
        _close_checkout(checkout)
        holds = _hold_seat(mirror, checkout, now=now)
        changed = _grant(mirror, fetched, checkout.subject_id, holds=holds, now=now)
        if changed:
            subjects.bump([checkout.subject_id], now=now)
        if mirror.status in Subscription.ENDED:
            Seat.objects.filter(Q(subscription=mirror) | Q(checkout=checkout)).delete()
    if before != mirror.status:
        _note(mirror, f"subscription_{mirror.status}", now=now)


def _mirror(
    mirror: Subscription,
    fetched: gateway.Subscription,
    checkout: Checkout | None,
    ticket: int,
    *,
    now: datetime,
) -> None:
    customer = Customer.objects.filter(stripe_customer_id=fetched.customer).first()
    price = StripePrice.objects.filter(stripe_product_id=fetched.price.product).first()
    mirror.checkout, mirror.customer = checkout, customer
    mirror.subject_id = checkout.subject_id if checkout else None
    mirror.status = fetched.status
    mirror.plan = price.plan if price else ""
    mirror.interval, mirror.currency = fetched.price.interval, fetched.price.currency
    mirror.unit_amount = fetched.price.unit_amount
    mirror.period_ends_at = fetched.period_ends_at
    mirror.paid_through = policy.paid_through(fetched)
    mirror.trial_ends_at = fetched.trial_ends_at
    mirror.ends_at = fetched.ended_at or fetched.cancel_at
    mirror.card_brand, mirror.card_last4 = fetched.card_brand, fetched.card_last4
    mirror.created_at = fetched.created_at
    mirror.synced_at, mirror.recorded_ticket = now, ticket
    mirror.save()


def _close_checkout(checkout: Checkout) -> None:
    live = Checkout.objects.filter(id=checkout.id, state__in=Checkout.LIVE)
    live.update(state=Checkout.State.PAID)


def _hold_seat(mirror: Subscription, checkout: Checkout, *, now: datetime) -> bool:
    """Say whether this subscription holds the seat; see Note [Only the seat's holder …]."""
    seat = Seat.objects.filter(subject_id=checkout.subject_id).first()
    if seat is not None and seat.subscription_id == mirror.pk:
        return True
    if Grant.objects.filter(subscription=mirror).exists():
        return False  # It had its time.
    ended = mirror.status in Subscription.ENDED
    if seat is not None and seat.checkout_id == checkout.id:
        if not ended:
            seat.checkout, seat.subscription = None, mirror
            seat.save(update_fields=["checkout", "subscription"])
        return not ended
    if seat is None and not ended and checkout.state != Checkout.State.ABANDONED:
        Seat.objects.create(
            subject_id=checkout.subject_id,
            payer_id=checkout.payer_id,
            subscription=mirror,
            taken_at=now,
        )
        return True
    if subjects.cancel_and_refund(mirror, full=True, now=now):
        _note(mirror, "subscription_lost_its_seat", now=now)
    return False


def _grant(
    mirror: Subscription,
    fetched: gateway.Subscription,
    subject_id: UUID,
    *,
    holds: bool,
    now: datetime,
) -> bool:
    """Bring the grant in line with what was paid; True if what the subject is told changes."""
    ends_at = policy.grant_ends_at(fetched)
    grant = Grant.objects.filter(subscription=mirror).first()
    if grant is None:
        if not holds or ends_at is None or not mirror.plan:
            return False
        Grant.objects.create(
            subject_id=subject_id,
            plan=mirror.plan,
            starts_at=fetched.created_at,
            ends_at=ends_at,
            source=Grant.Source.SUBSCRIPTION,
            subscription=mirror,
            created_at=now,
        )
        _note(mirror, "grant_given", now=now, source="subscription")
        return True
    # Who does not hold the seat can only lose: a cancelled plan never comes back.
    current = grant.ends_at
    wanted = ends_at if holds else min(filter(None, (current, ends_at)), default=current)
    wanted = max(grant.starts_at, wanted) if wanted else grant.starts_at
    if (current, grant.plan) == (wanted, mirror.plan or grant.plan):
        return False
    grant.ends_at, grant.plan = wanted, mirror.plan or grant.plan
    grant.save(update_fields=["ends_at", "plan"])
    _note(mirror, "grant_changed", now=now, ends_at=wanted.isoformat())
    return True


def _note(mirror: Subscription, kind: str, *, now: datetime, **data: str) -> None:
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        subject_id=mirror.subject_id,
        payer_id=mirror.customer.payer_id if mirror.customer else None,
        data={"subscription": mirror.stripe_subscription_id, **data},
    )
