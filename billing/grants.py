"""Gives and ends what no payment made: from the factory, as a trial, as goodwill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import subjects
from billing.models import DomainEvent, Grant


@dataclass(frozen=True, slots=True)
class Gift:
    """A plan for a subject in [starts_at, ends_at); instants in whole seconds, None is open."""

    subject_id: UUID
    plan: str
    source: str
    starts_at: datetime
    ends_at: datetime | None


def give_many(gifts: Sequence[Gift], *, now: datetime) -> None:
    """Record gifts without counting a change: for subjects that were created in this transaction.

    For a subject that has been told something already, use give().
    """
    Grant.objects.bulk_create(
        (
            Grant(
                subject_id=gift.subject_id,
                plan=gift.plan,
                source=gift.source,
                starts_at=gift.starts_at,
                ends_at=gift.ends_at,
                created_at=now,
            )
            for gift in gifts
        ),
        subjects.BATCH,
    )
    DomainEvent.objects.bulk_create(
        (
            DomainEvent(
                kind="grant_given",
                at=now,
                subject_id=gift.subject_id,
                data={"plan": gift.plan, "source": gift.source},
                noticed_at=now,  # Nobody is told of gifts, and there are millions.
            )
            for gift in gifts
        ),
        subjects.BATCH,
    )


def give(gift: Gift, *, now: datetime) -> None:
    """Record a gift and count the change."""
    with transaction.atomic():
        subjects.lock(gift.subject_id)
        give_many([gift], now=now)
        subjects.bump([gift.subject_id], now=now)


def end(grant_id: int, *, actor: Any, now: datetime) -> None:
    """End a gift now; other grants of the subject stay. Ending an ended one changes nothing."""
    with transaction.atomic():
        grant = Grant.objects.exclude(source=Grant.Source.SUBSCRIPTION).get(id=grant_id)
        subjects.lock(grant.subject_id)
        instant = now.replace(microsecond=0)
        if grant.ends_at is not None and grant.ends_at <= instant:
            return
        grant.ends_at = max(grant.starts_at, instant)
        grant.save(update_fields=["ends_at"])
        subjects.bump([grant.subject_id], now=now)
        DomainEvent.objects.create(
            kind="grant_ended",
            at=now,
            subject_id=grant.subject_id,
            actor=actor,
            data={"source": grant.source},
        )
