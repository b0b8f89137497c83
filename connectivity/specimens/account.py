"""The pages around the garage: the landing page, signing in, one's account, what went wrong.

It must never sign anybody in: whoever is shown here is made up.
"""

import json
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta
from typing import Any

from allauth.account.internal.flows.email_verification_by_code import (
    EMAIL_VERIFICATION_CODE_SESSION_KEY,
    EmailVerificationProcess,
)
from allauth.account.internal.flows.login_by_code import LoginCodeVerificationProcess
from allauth.account.models import EmailAddress, Login
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from billing import clock
from connectivity.specimens.money import subscribed
from connectivity.specimens.registry import Group, Shown, at

states = Group("Account")
CODE = "QJVH-TKRM"
KEY = "bWFkZSB1cA"
# Of a passkey that no device has: format "none", an empty site, the key of the private number 1.
ATTESTATION = (
    "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YViLAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABFAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAB21hZGUgdXClAQIDJiABIVggaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpYiWCBP40"
    "Li_hp_m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q"
)


def _open(title: str, name: str, **more: Any) -> None:
    """A page for who is not signed in."""
    states.add(title, lambda _owner, _now: at(name, signed_in=False, **more))


_open("landing", "landing")
states.add("landing, signed in", lambda _owner, _now: at("landing"))
_open("sign in", "account_login")
_open("sign in, nothing typed", "account_login", data={"login": ""})
_open("sign in by code", "account_request_login_code")
_open("sign up", "account_signup")
_open("sign up, nonsense typed", "account_signup", data={"email": "nonsense"})
_open("sign up by passkey", "account_signup_by_passkey")
_open("account is closed", "account_inactive")


@states.state("code to sign in")
def _code(owner: Any, _now: datetime) -> Shown:
    return at("account_confirm_login_code", signed_in=False, session=_asked_for_code(owner))


@states.state("code to sign in, wrong")
def _wrong_code(owner: Any, _now: datetime) -> Shown:
    session, data = _asked_for_code(owner), {"code": "WRONG1"}
    return at("account_confirm_login_code", signed_in=False, session=session, data=data)


def _asked_for_code(owner: Any) -> dict[str, Any]:
    begun = LoginCodeVerificationProcess.initial_state(owner, owner.email)
    return _stopped_at("login_by_code", owner, {**begun, "code": CODE, "initiated_by_user": True})


def _stopped_at(step: str, owner: Any, data: dict[str, Any]) -> dict[str, Any]:
    """The session of a sign-in that waits at this step."""
    login = Login(user=owner, email=owner.email)
    login.initiated_at = clock.wall()
    login.state = {"stages": {"current": step, step: {"data": data}}}
    return {"account_login": login.serialize()}


@states.state("code to confirm an address")
def _address_code(owner: Any, _now: datetime) -> Shown:
    begun = EmailVerificationProcess.initial_state(owner, owner.email)
    session = {EMAIL_VERIFICATION_CODE_SESSION_KEY: {**begun, "code": CODE}}
    return at("account_email_verification_sent", session=session)


@states.state("passkey of a new account")
def _first_passkey(owner: Any, _now: datetime) -> Shown:
    session = _stopped_at("mfa_signup_webauthn", owner, {})
    return at("mfa_signup_webauthn", signed_in=False, session=session)


@states.state("second factor to sign in")
def _second_factor(owner: Any, _now: datetime) -> Shown:
    _secure(owner)
    session = _stopped_at("mfa_authenticate", owner, {})
    return at("mfa_authenticate", signed_in=False, session=session)


def _own(title: str, name: str, **more: Any) -> None:
    """A page of one's account, shown to who has just signed in."""

    def build(owner: Any, _now: datetime) -> Shown:
        return at(name, session=just_signed_in(owner), **more)

    states.add(title, build)


def just_signed_in(owner: Any) -> dict[str, Any]:
    """They have shown once more who they are, a moment ago."""
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True, primary=True)
    shown = {"method": "mfa", "at": clock.wall(), "reauthenticated": True}
    return {
        "account_authentication_methods": [shown],
        "account_authentication_methods_user": str(owner.pk),
    }


_own("email address", "account_email")
_own(
    "email address, taken by oneself", "account_email", data={"email": "nonsense", "action_add": ""}
)
_own("security, nothing set up", "mfa_index")
_own("no passkeys", "mfa_list_webauthn")
_own("add a passkey", "mfa_add_webauthn")
_own("add an app", "mfa_activate_totp")
_own("one session", "usersessions_list")
_own("sign out", "account_logout")
_own("close the account", "account_close")


@states.state("close the account, long after signing in")
def _close_later(_owner: Any, _now: datetime) -> Shown:
    return at("account_close")


@states.state("the account closes in 14 days")
def _closes(owner: Any, now: datetime) -> Shown:
    owner.close_asked_at = now
    owner.save(update_fields=["close_asked_at"])
    return at("account_close", session=just_signed_in(owner))


@states.state("close the account with a car that is paid for")
def _close_with_car(owner: Any, now: datetime) -> Shown:
    subscribed(owner, now)
    return at("account_close", session=just_signed_in(owner))


def _secured(title: str, name: str, *, key: bool = False, fresh: bool = True) -> None:
    """A page for who has a passkey, an app and recovery codes."""

    def build(owner: Any, _now: datetime) -> Shown:
        passkey = _secure(owner)
        session = just_signed_in(owner) if fresh else {}
        return at(name, *([passkey.pk] if key else []), session=session)

    states.add(title, build)


def _secure(owner: Any) -> Authenticator:
    kinds = Authenticator.Type
    made = Authenticator.objects
    made.create(user=owner, type=kinds.TOTP, data={"secret": "none"})
    codes = {"seed": "none", "used_mask": 0, "migrated_codes": ["1234-5678"] * 10}
    made.create(user=owner, type=kinds.RECOVERY_CODES, data=codes)
    said = {"type": "webauthn.create", "challenge": "", "origin": "https://made-up.test"}
    credential = {
        "id": KEY,
        "rawId": KEY,
        "type": "public-key",
        "response": {
            "clientDataJSON": urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("="),
            "attestationObject": ATTESTATION,
        },
    }
    data = {"name": "Phone", "credential": credential}
    return made.create(user=owner, type=kinds.WEBAUTHN, data=data)


_secured("security, all set up", "mfa_index")
_secured("recovery codes", "mfa_view_recovery_codes")
_secured("new recovery codes", "mfa_generate_recovery_codes")
_secured("remove the app", "mfa_deactivate_totp")
_secured("passkeys", "mfa_list_webauthn")
_secured("rename a passkey", "mfa_edit_webauthn", key=True)
_secured("remove a passkey", "mfa_remove_webauthn", key=True)
_secured("show once more who one is, by app", "mfa_reauthenticate", fresh=False)
_secured("show once more who one is, by passkey", "mfa_reauthenticate_webauthn", fresh=False)


@states.state("several sessions")
def _sessions(owner: Any, now: datetime) -> Shown:
    for number, agent in enumerate(("Mozilla/5.0 (iPhone) Safari/605", "Mozilla/5.0 Firefox/140")):
        UserSession.objects.create(
            user=owner,
            session_key=f"made-up-{number}",
            ip="192.0.2.1",
            user_agent=agent,
            created_at=now - timedelta(days=number),
        )
    return at("usersessions_list", session=just_signed_in(owner))


def _wrong(code: int) -> None:
    """A page of an error."""

    def answer(request: HttpRequest) -> HttpResponse:
        return render(request, f"{code}.html", status=code)

    states.add(f"error {code}", lambda _owner, _now: at("landing", answer=answer))


for _code_of_error in (400, 403, 404, 429, 500):
    _wrong(_code_of_error)


@states.state("out of order")
def _outage(_owner: Any, _now: datetime) -> Shown:
    return at("landing", answer=lambda request: render(request, "outage.html"))
