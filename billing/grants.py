"""Gives and ends what no payment made: from the factory, as a trial, as goodwill."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    Grant.objects.bulk_create((_row(gift, now=now) for gift in gifts), subjects.BATCH)
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


def _row(gift: Gift, *, now: datetime) -> Grant:
    return Grant(
        subject_id=gift.subject_id,
        plan=gift.plan,
        source=gift.source,
        starts_at=gift.starts_at,
        ends_at=gift.ends_at,
        created_at=now,
    )


def give(gift: Gift, *, now: datetime) -> None:
    """Record a gift and count the change."""
    with transaction.atomic():
        subjects.lock(gift.subject_id)
        give_many([gift], now=now)
        subjects.bump([gift.subject_id], now=now)


@dataclass(frozen=True, slots=True)
class Goodwill:
    """What staff gave: until when, and whether just now or by an earlier try of the same wish."""

    until: datetime
    new: bool


class HasItForGood(Exception):
    """The subject has the plan without an end: there is nothing that a gift could add."""


def goodwill(
    *,
    subject_id: UUID,
    plan: str,
    days: int,
    afterwards: bool,
    reason: str,
    token: str,
    told: Any,
    actor: Any,
    now: datetime,
) -> Goodwill:
    """Give a plan for some days: from now, or `afterwards`, from the end of what is there.

    The same token is the same wish. `told` is the person who hears of it, or None. Raises
    HasItForGood.
    """
    with transaction.atomic():
        subjects.lock(subject_id)
        before = DomainEvent.objects.filter(
            subject_id=subject_id, kind="grant_given", data__token=token
        ).first()
        if before is not None:
            return Goodwill(datetime.fromisoformat(before.data["until"]), new=False)
        last = _ends_at(subject_id, plan, now=now.replace(microsecond=0))
        starts_at = last if afterwards else now.replace(microsecond=0)
        ends_at = starts_at + timedelta(days=days)
        gift = Gift(subject_id, plan, Grant.Source.GOODWILL, starts_at, ends_at)
        facts = {"days": days, "reason": reason, "token": token, "until": ends_at.isoformat()}
        _give_on_record(gift, facts, told=told, actor=actor, now=now)
    return Goodwill(ends_at, new=True)


def _give_on_record(
    gift: Gift, facts: dict[str, Any], *, told: Any, actor: Any, now: datetime
) -> None:
    """Record one gift that somebody made, and that somebody is to be told of."""
    Grant.objects.bulk_create([_row(gift, now=now)])
    subjects.bump([gift.subject_id], now=now)
    facts = {"plan": gift.plan, "source": gift.source, **facts}
    DomainEvent.objects.create(
        kind="grant_given",
        at=now,
        subject_id=gift.subject_id,
        payer=told,
        actor=actor,
        data={**facts, "from": gift.starts_at.isoformat()},
    )


def _ends_at(subject_id: UUID, plan: str, *, now: datetime) -> datetime:
    """When the last of what the subject has of a plan ends, the grace of a payment left out."""
    last = now
    for grant in Grant.objects.filter(subject_id=subject_id, plan=plan).select_related(
        "subscription"
    ):
        if grant.ends_at is None:
            raise HasItForGood("It has this without an end: a gift would add nothing.")
        paid = grant.subscription.paid_through if grant.subscription else None
        last = max(last, min(grant.ends_at, paid or grant.ends_at))
    return last


def end(grant_id: int, *, actor: Any, reason: str = "", now: datetime) -> bool:
    """End a gift now; other grants of the subject stay. False, and no change, if it has ended."""
    with transaction.atomic():
        grant = Grant.objects.exclude(source=Grant.Source.SUBSCRIPTION).get(id=grant_id)
        subjects.lock(grant.subject_id)
        grant.refresh_from_db()
        return _end(grant, actor=actor, reason=reason, now=now)


def end_all(subject_id: UUID, *, actor: Any, reason: str = "", now: datetime) -> list[Gift]:
    """End all gifts of a subject now, and return what was left of each."""
    with transaction.atomic():
        subjects.lock(subject_id)
        gifts = Grant.objects.filter(subject_id=subject_id).exclude(
            source=Grant.Source.SUBSCRIPTION
        )
        left = [
            Gift(subject_id, gift.plan, gift.source, gift.starts_at, gift.ends_at)
            for gift in gifts.order_by("id")
        ]
        ended = [_end(gift, actor=actor, reason=reason, now=now) for gift in gifts.order_by("id")]
        return [gift for gift, had_time in zip(left, ended, strict=True) if had_time]


def _end(grant: Grant, *, actor: Any, reason: str, now: datetime) -> bool:
    instant = now.replace(microsecond=0)
    if grant.ends_at is not None and grant.ends_at <= instant:
        return False
    grant.ends_at = max(grant.starts_at, instant)
    grant.save(update_fields=["ends_at"])
    subjects.bump([grant.subject_id], now=now)
    facts = {"source": grant.source, **({"reason": reason} if reason else {})}
    DomainEvent.objects.create(
        kind="grant_ended", at=now, subject_id=grant.subject_id, actor=actor, data=facts
    )
    return True
