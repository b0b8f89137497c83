"""Moves an account to another email, on proof that staff have seen; never touches cars or money.

Whoever lost their mailbox cannot change the address themselves. The old address is told as well:
if the proof was false, its owner hears of it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q

from billing import events, intents
from connectivity.notices import outbox


class AddressTaken(Exception):
    """Another account has this address: two accounts are not merged by a move."""


class StaffMovesStaff(Exception):
    """A member of staff would move another's account, and with it what that one may do."""


def move(*, user_id: UUID, email: str, reason: str, actor: Any, now: datetime) -> bool:
    """Make `email` the login of this account; all its sessions end, both addresses are told.

    False, and nothing is changed, if it is the login already. Raises AddressTaken, StaffMovesStaff.
    """
    email = email.strip().lower()
    with transaction.atomic(durable=True):
        user = get_user_model().objects.select_for_update(no_key=True).get(pk=user_id)
        old = user.email
        if old == email:
            return False
        _check(user, email, actor)
        user.email = email
        # Sessions carry a digest of the password field, so this ends all of them.
        user.set_unusable_password()
        user.save(update_fields=["email", "password"])
        EmailAddress.objects.filter(user=user).delete()
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        for session in UserSession.objects.filter(user=user):
            session.end()
        facts = {"old": old, "new": email, "reason": reason}
        event_id = events.record("account_moved", payer=user, actor=actor, data=facts, now=now)
        _tell(event_id, user, old, now=now)
        intents.update_customer_email(payer=user, now=now)
    return True


def _check(user: Any, email: str, actor: Any) -> None:
    if (user.is_staff or user.is_superuser) and not actor.is_superuser:
        raise StaffMovesStaff("This is a staff account: only a superuser moves it.")
    others = get_user_model().objects.filter(email=email)
    confirmed = EmailAddress.objects.filter(~Q(user=user), email=email, verified=True)
    if others.exists() or confirmed.exists():
        raise AddressTaken(
            "Another account has this address. Ask its owner which of the two they want to keep."
        )


def _tell(event_id: int, user: Any, old: str, *, now: datetime) -> None:
    for template, recipient in (("account_moved_old", old), ("account_moved_new", user.email)):
        outbox.tell(
            source="billing",
            event_id=event_id,
            template=template,
            recipient=recipient,
            user=user,
            context={},
            now=now,
        )
