"""Says why a code page sends people back, and closes an account; sign-in is django-allauth's."""

from datetime import datetime
from typing import Any

from allauth.account import app_settings, views
from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing import clock
from connectivity.accounts import closing, grace
from fleet import entries, words
from fleet.formats import day


class _SaysExpired:
    """Without this, an expired code lands on an empty sign-in form with no word of why."""

    # allauth's: None once it has expired; never set where nothing was asked for.
    _process: Any = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().dispatch(  # type: ignore[misc] # a mixin
            request, *args, **kwargs
        )
        if self._process is None:
            message = get_adapter().error_messages["code_expired"]
            messages.error(request, message)
        return response


class ConfirmLoginCode(_SaysExpired, views.ConfirmLoginCodeView):  # type: ignore[misc] # untyped
    """The page that asks for the code that signs in."""


@method_decorator(never_cache, name="dispatch")
class ConfirmEmailCode(_SaysExpired, views.ConfirmEmailVerificationCodeView):  # type: ignore[misc] # untyped
    """The page that asks for the code that confirms an address."""


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def close(request: HttpRequest) -> HttpResponse:
    """Say what closing the account means, then do it, for somebody who has just shown who they are.

    Whoever has a passkey or an app is asked for it; others sign in by a fresh code.
    """
    if request.method == "POST" and "keep" in request.POST:
        grace.keep(user=request.user, now=clock.now())
        messages.success(request, _("Your account stays. What you had cancelled stays cancelled."))
        return redirect("account_close")
    fresh = signed_in_just_now(request)
    if not fresh and get_adapter().get_reauthentication_methods(request.user):
        raise ReauthenticationRequired
    if request.method == "POST" and fresh:
        return _closed(request, now=clock.now())
    until = grace.until(request.user)
    context = {"is_fresh": fresh, "until": day(until) if until else "", **_at_stake(request)}
    return render(request, "account/close.html", context)


def _closed(request: HttpRequest, *, now: datetime) -> HttpResponse:
    """Close it in two weeks, or at once if that was pressed."""
    act = closing.start if "now" in request.POST else grace.ask
    try:
        act(user=request.user, now=now)
    except closing.StaffAccount as error:
        messages.error(request, str(error))
        return redirect("account_close")
    logout(request)
    if "now" in request.POST:
        said = _("Your account is being closed. We email you when it is done.")
    else:
        said = _("Your account closes in 14 days. Sign in before that if you want to keep it.")
    messages.success(request, said)
    return redirect("account_login")


def signed_in_just_now(request: HttpRequest) -> bool:
    """Whether they showed who they are within the last minutes, by the machine's own time."""
    records = get_authentication_records(request, request.user)
    newest = max((record["at"] for record in records), default=0)
    return bool(clock.wall() - newest < app_settings.REAUTHENTICATION_TIMEOUT)


def _at_stake(request: HttpRequest) -> dict[str, int]:
    now = clock.now()
    cards = [words.card(one, now=now) for one in entries.vehicles_of(owner=request.user, now=now)]
    return {"cars": len(cards), "paid_for": sum(card.paid_for for card in cards)}
