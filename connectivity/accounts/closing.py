"""Closes an account on its owner's word: ends all, waits for Stripe, then forgets the person.

# Note [An account closes in steps]
From the first moment nobody can sign in, and nothing can be bought. Cars leave the garage, seats
end and unused time is paid back. Only when Stripe has confirmed all of it, a payment page that was
paid in the meantime included, are the customers deleted there and the person forgotten here. Each
step can be repeated; a sweep goes on with it. The address stays until the last mail is sent.
"""

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from billing import closing
from billing import events as billing_events
from connectivity.notices import outbox
from connectivity.notices.models import Notice
from connectivity.notices.rules.mail import Reader
from fleet import events as fleet_events
from fleet import leaving


class StaffAccount(Exception):
    """An account of staff is not closed by its owner: it is named in what they have done."""


def start(*, user: Any, now: datetime) -> None:
    """Begin to close this account; one that is closing already goes on. Raises StaffAccount.

    See Note [An account closes in steps].
    """
    with transaction.atomic(durable=True):
        row = get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
        if row.is_staff or row.is_superuser:
            raise StaffAccount("Another member of staff has to take your role from you first.")
        if row.closing_at is not None:
            return
        row.closing_at, row.is_active = now, False
        row.set_unusable_password()
        row.save(update_fields=["closing_at", "is_active", "password"])
        for session in UserSession.objects.filter(user=row):
            session.end()
        _tell("account_closing", row, now=now)
    leaving.leave(owner=row, now=now)


def due() -> list[Any]:
    """The accounts that are closing and have not closed yet, the oldest first."""
    waiting = get_user_model().objects.filter(closing_at__isnull=False, closed_at=None)
    return list(waiting.order_by("closing_at")[:100])


def go_on(user: Any, *, now: datetime) -> bool:
    """Do the next steps of closing an account; True once it is closed. Raises StripeAway."""
    leaving.leave(owner=user, now=now)
    closing.end_all(payer=user, now=now)
    if not closing.is_settled(payer=user, now=now):
        return False
    if not closing.delete_customers(payer=user, now=now):
        return False
    # Who has not been told of all of it yet needs an address.
    if not all(events.journal.has_told(user) for events in (billing_events, fleet_events)):
        return False
    _forget(user, now=now)
    return True


def forget_addresses(*, now: datetime) -> None:
    """Take the addresses of closed accounts out of the mails that were sent.

    An account is looked at until its last mail is out, and no more after that.
    """
    nowhere = Concat(Cast(F("id"), CharField()), Value(f"@{outbox.NOWHERE}"))
    closed = get_user_model().objects.filter(closed_at__isnull=False, forgotten_at=None)
    for user_id in closed.order_by("closed_at").values_list("pk", flat=True):
        mails = Notice.objects.filter(user=user_id)
        sent = mails.filter(sent_at__isnull=False)
        known = sent.exclude(recipient__endswith=f"@{outbox.NOWHERE}")
        known.update(recipient=nowhere, context={})
        if not mails.filter(sent_at=None).exists():
            closed.filter(pk=user_id).update(forgotten_at=now)


def _forget(user: Any, *, now: datetime) -> None:
    with transaction.atomic(durable=True):
        row = get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
        if row.closed_at is not None:
            return
        _tell("account_closed", row, now=now)
        row.closed_at, row.is_active = now, False
        row.email, row.language = f"{row.pk}@{outbox.NOWHERE}", ""
        row.save(update_fields=["closed_at", "is_active", "email", "language"])
        row.groups.clear()
        row.user_permissions.clear()
        for model in (EmailAddress, Authenticator):
            model.objects.filter(user=row).delete()
        for session in UserSession.objects.filter(user=row):
            session.end()
        closing.forget(payer=row)


def _tell(kind: str, user: Any, *, now: datetime) -> None:
    """Write down what happened and the mail that tells of it, while the address is known."""
    event_id = billing_events.record(kind, payer=user, actor=user, data={}, now=now)
    outbox.tell(
        source="billing",
        event_id=event_id,
        template=kind,
        recipient=user.email,
        user=user,
        context={"at": Reader(user).moment(now)},
        now=now,
    )
