"""Gives a paid subscription its seat and its grant, and takes them back; it never asks Stripe.

See Note [Only the seat's holder yields a grant] in billing.subscriptions. The caller has locked the
subject and the subscription.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from billing import subjects
from billing.models import Checkout, DomainEvent, Grant, Seat, Subscription

# Django would write a CASE for each row.
_SAVE = """
    UPDATE billing_grant SET ends_at = fresh.ends_at, plan = fresh.plan
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[]) AS fresh (id, ends_at, plan)
    WHERE billing_grant.id = fresh.id
"""


def settle(
    mirror: Subscription,
    subject_id: UUID,
    checkout: Checkout | None,
    until: datetime | None,
    *,
    now: datetime,
) -> None:
    """Bring seat and grant in line with the mirror, as it was just recorded, paid `until`."""
    if checkout is not None:
        live = Checkout.objects.filter(id=checkout.id, state__in=Checkout.LIVE)
        live.update(state=Checkout.State.PAID)
    holds = _hold(mirror, subject_id, checkout, now=now)
    grant = Grant.objects.filter(subscription=mirror).first()
    if grant is not None:
        _change(mirror, grant, until, holds=holds, now=now)
    elif holds and until is not None and mirror.plan:
        _give(mirror, subject_id, until, now=now)
    if mirror.status in Subscription.ENDED:
        held = Q(subscription=mirror)
        if checkout is not None:
            held |= Q(checkout=checkout)
        Seat.objects.filter(held).delete()


def prolong(untils: Iterable[tuple[Subscription, datetime | None]], *, now: datetime) -> None:
    """Let the grants of seats' holders last until then, where that is longer than they last now."""
    wanted = {mirror.pk: (mirror, until) for mirror, until in untils if until}
    seat = Seat.objects.filter(subscription=OuterRef("subscription"))
    grants, events = [], []
    for grant in Grant.objects.filter(Exists(seat), subscription__in=wanted):
        mirror, until = wanted[grant.subscription_id or 0]
        if grant.ends_at is not None and grant.ends_at < until:
            grant.ends_at, grant.plan = until, mirror.plan or grant.plan
            grants.append(grant)
            events.append(_event(mirror, "grant_changed", now, ends_at=until.isoformat()))
    if grants:
        _save(grants)
        DomainEvent.objects.bulk_create(events)
        subjects.bump([grant.subject_id for grant in grants], now=now)


def _save(grants: list[Grant]) -> None:
    rows = [(grant.pk, grant.ends_at, grant.plan) for grant in grants]
    with connection.cursor() as cursor:
        cursor.execute(_SAVE, [list(column) for column in zip(*rows, strict=True)])


def grant_until(mirror: Subscription) -> datetime | None:
    """When the subscription's grant ends; None if it has none."""
    return Grant.objects.filter(subscription=mirror).values_list("ends_at", flat=True).first()


def note(mirror: Subscription, kind: str, *, now: datetime, **data: Any) -> None:
    """Write down what happened to a subscription, for its subject and its payer."""
    _event(mirror, kind, now, **data).save()


def _event(mirror: Subscription, kind: str, now: datetime, **data: Any) -> DomainEvent:
    return DomainEvent(
        kind=kind,
        at=now,
        subject_id=mirror.subject_id,
        payer_id=mirror.customer.payer_id if mirror.customer else None,
        data={"subscription": mirror.stripe_subscription_id, **data},
    )


def _hold(
    mirror: Subscription, subject_id: UUID, checkout: Checkout | None, *, now: datetime
) -> bool:
    """Say whether this subscription holds the seat; see Note [Only the seat's holder …]."""
    seat = Seat.objects.filter(subject_id=subject_id).first()
    if seat is not None and seat.subscription_id == mirror.pk:
        return True
    if checkout is None or Grant.objects.filter(subscription=mirror).exists():
        return False  # Only staff can give it one, or it had its time.
    ended = mirror.status in Subscription.ENDED
    if seat is not None and seat.checkout_id == checkout.id:
        if not ended:
            seat.checkout, seat.subscription = None, mirror
            seat.save(update_fields=["checkout", "subscription"])
        return not ended
    if seat is None and checkout.state != Checkout.State.ABANDONED:
        if not ended:
            Seat.objects.create(
                subject_id=subject_id,
                payer_id=checkout.payer_id,
                subscription=mirror,
                taken_at=now,
            )
        return not ended
    if ended and checkout.state == Checkout.State.PAID:
        return False  # What there was to decide about it was decided when it was first heard of.
    if subjects.cancel_and_refund(mirror, full=True, now=now) and not _is_told(mirror):
        note(mirror, "subscription_lost_its_seat", now=now)
    return False


def _is_told(mirror: Subscription) -> bool:
    """Whether its payer knows: an end that Stripe has refused is asked for again."""
    told = DomainEvent.objects.filter(
        subject_id=mirror.subject_id, kind="subscription_lost_its_seat"
    )
    return told.filter(data__subscription=mirror.stripe_subscription_id).exists()


def _give(mirror: Subscription, subject_id: UUID, until: datetime, *, now: datetime) -> None:
    Grant.objects.create(
        subject_id=subject_id,
        plan=mirror.plan,
        starts_at=mirror.created_at or now.replace(microsecond=0),
        ends_at=until,
        source=Grant.Source.SUBSCRIPTION,
        subscription=mirror,
        created_at=now,
    )
    note(mirror, "grant_given", now=now, source="subscription")
    subjects.bump([subject_id], now=now)


def _change(
    mirror: Subscription, grant: Grant, until: datetime | None, *, holds: bool, now: datetime
) -> None:
    """Bring the grant in line with what was paid; who lost the seat can only lose.

    A cancelled plan never comes back, and what nobody pays for any more ends now, and once.
    """
    instant = now.replace(microsecond=0)
    wanted = until or min(instant, grant.ends_at or instant)
    if not holds and grant.ends_at is not None:
        wanted = min(wanted, grant.ends_at)
    wanted, plan = max(grant.starts_at, wanted), mirror.plan or grant.plan
    if (grant.ends_at, grant.plan) == (wanted, plan):
        return
    grant.ends_at, grant.plan = wanted, plan
    grant.save(update_fields=["ends_at", "plan"])
    note(mirror, "grant_changed", now=now, ends_at=wanted.isoformat())
    subjects.bump([grant.subject_id], now=now)
