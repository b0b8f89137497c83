"""Decides whether this session has shown more than an emailed code; never what it may then do."""

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.http import HttpRequest
from django.urls import reverse

from billing import clock

FRESH = 12 * 3600  # seconds: a working day


def exists(request: HttpRequest) -> bool:
    """Whether its user has a passkey or an authenticator app at all."""
    return bool(is_mfa_enabled(request.user))


def page_to_show_it(request: HttpRequest) -> str:
    """Where its user shows the one they have: the passkey if there is one, else a code."""
    has_passkey = is_mfa_enabled(request.user, [Authenticator.Type.WEBAUTHN])
    return reverse("mfa_reauthenticate_webauthn" if has_passkey else "mfa_reauthenticate")


def was_shown(request: HttpRequest) -> bool:
    """Whether its user has shown one in this session, today, and still has one."""
    since = clock.wall() - FRESH
    records = get_authentication_records(request, request.user)
    return exists(request) and any(
        record["method"] == "mfa" and record["at"] > since for record in records
    )
