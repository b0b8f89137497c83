"""Lets an owner think about closing their account: what ends at once, what can be undone.

# Note [Two weeks to think about it]
Whoever wants to close their account is signed out, and nothing of theirs renews any more. Cars and
paid time stay as they are for two weeks, in which the owner can sign in and keep the account; after
that it is closed for good. Whoever wants that at once has it: see connectivity.accounts.closing.
"""

from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.db import transaction

from billing import agreements, renewal
from billing import events as billing_events
from connectivity.accounts.closing import StaffAccount

GRACE = timedelta(days=14)


def ask(*, user: Any, now: datetime) -> None:
    """Have this account closed in two weeks; asked twice, the first counts. Raises StaffAccount.

    See Note [Two weeks to think about it].
    """
    if user.is_staff or user.is_superuser:
        raise StaffAccount("Another member of staff has to take your role from you first.")
    # First, so that after a crash on the way the owner is asked again.
    for subject_id in agreements.running(user):
        _stop_renewal(user, subject_id, now=now)
    with transaction.atomic(durable=True):
        row = get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
        if row.close_asked_at is None and row.closing_at is None:
            row.close_asked_at = now
            row.save(update_fields=["close_asked_at"])
            facts = {"until": (now + GRACE).isoformat()}
            _record("account_close_asked", row, facts, now=now)
        for session in UserSession.objects.filter(user=row):
            session.end()


def keep(*, user: Any, now: datetime) -> None:
    """The owner has thought better of it; one that is closing already goes on closing."""
    with transaction.atomic(durable=True):
        row = get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
        if row.close_asked_at is not None and row.closing_at is None:
            row.close_asked_at = None
            row.save(update_fields=["close_asked_at"])
            _record("account_kept", row, {}, now=now)


def until(user: Any) -> datetime | None:
    """When the account closes unless its owner keeps it; None if nobody wants that."""
    return user.close_asked_at + GRACE if user.close_asked_at else None


def over(*, now: datetime) -> list[Any]:
    """The accounts whose two weeks are over, the oldest first."""
    asked = get_user_model().objects.filter(close_asked_at__lte=now - GRACE, closing_at=None)
    return list(asked.order_by("close_asked_at")[:100])


def _stop_renewal(user: Any, subject_id: Any, *, now: datetime) -> None:
    """A contract that is refused now ends when the account closes, like all the others."""
    try:
        renewal.stop(payer=user, subject_id=subject_id, now=now)
    except (renewal.NotSubscribed, renewal.StripeAway, renewal.StripeRefused):
        return


def _record(kind: str, user: Any, facts: dict[str, Any], *, now: datetime) -> None:
    billing_events.record(kind, payer=user, actor=user, data=facts, now=now)
