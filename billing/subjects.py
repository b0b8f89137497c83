"""The subject's version and its seat; the only writer of versions.

It must never know what a subject is, nor what a version says.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from billing import wishes
from billing.models import (
    Change,
    Checkout,
    DomainEvent,
    Grant,
    Seat,
    Subject,
    Subscription,
)
from billing.signals import grants_changed

BATCH = 5_000
# One statement, for it is in every change of a grant. The rows are locked in the order of their
# ids, so that two changes of the same subjects wait for each other and never for ever.
_BUMP = """
    WITH held AS (
        SELECT id FROM billing_subject WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
    ), bumped AS (
        UPDATE billing_subject SET version = version + 1 FROM held
        WHERE billing_subject.id = held.id RETURNING billing_subject.id, version
    ), told AS (
        INSERT INTO billing_change (subject_id, site, version, created_at)
        SELECT id, site, version, %s FROM bumped, unnest(%s::text[]) AS site
    )
    SELECT id FROM bumped
"""

# For a new era: in the order of ids, as above, each once.
_RAISE = """
    WITH held AS (
        SELECT id FROM billing_subject WHERE id > %s ORDER BY id LIMIT %s FOR NO KEY UPDATE
    ), raised AS (
        UPDATE billing_subject SET version = version + %s FROM held
        WHERE billing_subject.id = held.id RETURNING billing_subject.id
    )
    SELECT id FROM raised ORDER BY id
"""

# What waits already is told anyway.
_TELL_AGAIN = """
    INSERT INTO billing_change (subject_id, site, version, created_at)
    SELECT id, %s, version, %s FROM billing_subject WHERE id = ANY(%s) AND NOT EXISTS (
        SELECT FROM billing_change WHERE subject_id = billing_subject.id AND site = %s
    )
"""


class UnknownSubject(LookupError):
    """There is no such subject: whoever knows what it is has not created it."""


def create(subject_ids: Iterable[UUID], *, now: datetime) -> None:
    """Begin to count for these subjects; those that exist go on with their version."""
    ids = list(subject_ids)
    with transaction.atomic():
        known = set(Subject.objects.filter(id__in=ids).values_list("id", flat=True))
        fresh = [subject_id for subject_id in ids if subject_id not in known]
        Subject.objects.bulk_create((Subject(id=i) for i in fresh), BATCH, ignore_conflicts=True)
        _announce(list(Subject.objects.filter(id__in=fresh)), now=now)


def lock(subject_id: UUID) -> Subject:
    """Return the subject's row, locked; each writer of its facts locks it first.

    The lock leaves the key free: rows that point to the subject can be added meanwhile. Only
    inside a transaction. Raises UnknownSubject.
    """
    try:
        return Subject.objects.select_for_update(no_key=True).get(id=subject_id)
    except Subject.DoesNotExist:
        raise UnknownSubject(f"No subject {subject_id}") from None


def lock_all(subject_ids: Iterable[UUID]) -> None:
    """Lock the rows of these subjects, in one order for all; those that do not exist are none."""
    rows = Subject.objects.select_for_update(no_key=True).filter(id__in=set(subject_ids))
    list(rows.order_by("id").values_list("id"))


def bump(subject_ids: Sequence[UUID], *, now: datetime) -> None:
    """Count a change of what these subjects are told, in the transaction of the change itself.

    Writes an outbox row per site and sends `grants_changed` after the commit.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BUMP, [list(subject_ids), now, list(settings.SITES)])
        _tell_after_commit([row[0] for row in cursor.fetchall()])


def raise_versions(after: UUID, *, by: int, limit: int = BATCH) -> list[UUID]:
    """Add `by` to the versions of the next subjects behind this one; return which those were.

    Nobody is told: whoever begins a new era tells every site of all that there is.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RAISE, [after, limit, by])
        return [row[0] for row in cursor.fetchall()]


def tell_again(site: str, subject_ids: Iterable[UUID], *, now: datetime) -> int:
    """Have a site told once more of these subjects; return of how many that it would not be."""
    with connection.cursor() as cursor:
        cursor.execute(_TELL_AGAIN, [site, now, list(subject_ids), site])
        return int(cursor.rowcount)


def versions(subject_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The versions of these subjects."""
    return dict(Subject.objects.filter(id__in=subject_ids).values_list("id", "version"))


def _announce(subjects: list[Subject], *, now: datetime) -> None:
    Change.objects.bulk_create(
        (
            Change(subject=subject, site=site, version=subject.version, created_at=now)
            for subject in subjects
            for site in settings.SITES
        ),
        BATCH,
    )
    _tell_after_commit([subject.id for subject in subjects])


def _tell_after_commit(ids: list[UUID]) -> None:
    if ids:
        transaction.on_commit(lambda: grants_changed.send(sender=Subject, subject_ids=ids))


def vacate(subject_id: UUID, *, actor: Any, now: datetime) -> None:
    """Free the seat because its payer has no more to do with the subject.

    In the caller's transaction: the paid grant ends now, the open checkout is abandoned, and the
    intents to expire, cancel and refund at Stripe are written. The subject's own grants stay.
    """
    lock(subject_id)
    seat = Seat.objects.filter(subject_id=subject_id).select_related("checkout").first()
    if seat is None:
        return
    pages = Checkout.objects.select_for_update(no_key=True).filter(subject_id=subject_id)
    for checkout in pages.filter(state__in=Checkout.LIVE):
        _abandon(checkout, now=now)
    subscription = seat.subscription
    seat.delete()
    if subscription is not None:
        end_now(subscription, now=now)
    DomainEvent.objects.create(
        kind="seat_vacated", at=now, subject_id=subject_id, payer_id=seat.payer_id, actor=actor
    )


def _abandon(checkout: Checkout, *, now: datetime) -> None:
    checkout.state = Checkout.State.ABANDONED
    checkout.save(update_fields=["state"])
    if checkout.stripe_session_id:
        wishes.expire(checkout, now=now)


def end_now(
    subscription: Subscription, *, refund: bool = True, full: bool = False, now: datetime
) -> bool:
    """End what a subscription pays for now, here and at Stripe; False if that was asked before.

    In the caller's transaction, with the subject locked: its grant ends, its seat is free, and the
    intents of `cancel_and_refund` are written.
    """
    instant = now.replace(microsecond=0)
    for grant in Grant.objects.filter(subscription=subscription):
        if grant.ends_at is None or grant.ends_at > instant:
            grant.ends_at = max(grant.starts_at, instant)
            grant.save(update_fields=["ends_at"])
            bump([grant.subject_id], now=now)
    page = Checkout.objects.filter(subscription=subscription)
    page.update(state=Checkout.State.ABANDONED, check_at=None)  # There is no more to ask.
    Seat.objects.filter(subscription=subscription).delete()
    return cancel_and_refund(subscription, full=full, refund=refund, now=now)


def cancel_and_refund(
    subscription: Subscription, *, full: bool, refund: bool = True, now: datetime
) -> bool:
    """Write the intents that end a subscription at Stripe at once and give money back.

    Back goes what pays for the time after `now`, or all of the last payment if `full`; nothing
    without `refund`. False if its end had been asked for before, and not refused: then it was
    decided with it what is given back, and that stays.
    """
    stripe_id = subscription.stripe_subscription_id
    request = {"subscription": stripe_id, "ended_at": int(now.timestamp()), "full": full}
    return wishes.end(stripe_id, request, refund=refund, now=now)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A change that a site has not been told yet."""

    id: int
    subject_id: UUID
    version: int
    created_at: datetime


def unsent(site: str, limit: int) -> list[Unsent]:
    """Take the oldest changes of a site that nobody else has taken, until the transaction ends.

    By lock, not by number: commits do not come in the order of ids.
    """
    rows = Change.objects.select_for_update(skip_locked=True).filter(site=site).order_by("id")
    return [Unsent(row.id, row.subject_id, row.version, row.created_at) for row in rows[:limit]]


def has_unsent(site: str) -> bool:
    """Whether there is anything that a site has not been told."""
    return Change.objects.filter(site=site).exists()


def sent(changes: Iterable[Unsent]) -> None:
    """Forget changes that their site has been told."""
    Change.objects.filter(id__in=[change.id for change in changes]).delete()
