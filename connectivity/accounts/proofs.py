"""Hears of sign-ins and of new passkeys and apps: each shows who somebody is, as well as a second
look at a passkey does, for the same few minutes. It decides nothing about what they may then do.
"""

from typing import Any

from allauth.account.internal.flows.login import (
    get_authentication_records,
    record_authentication,
)
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest


@receiver(authenticator_added)
def has_just_made_one(user: Any, request: HttpRequest, authenticator: Any, **_: Any) -> None:
    """Whoever has this minute made a passkey or typed an app's code is not asked for it again.

    They would be, before they have seen the recovery codes that come with it.
    """
    if request.user.is_authenticated and authenticator.type != Authenticator.Type.RECOVERY_CODES:
        kind = str(authenticator.type)
        record_authentication(request, user, method="mfa", type=kind, reauthenticated=True)


@receiver(user_logged_in)
def has_just_signed_in(user: Any, request: HttpRequest, **_: Any) -> None:
    """Or else whoever lost the device with their only passkey could never remove that passkey.

    See Note [A passkey is a way in, not a second lock]: who asked for a second lock has opened it.
    """
    if get_authentication_records(request, user):
        record_authentication(request, user, method="sign_in", reauthenticated=True)
