"""Says why a code page sends people back; the rest of sign-in is django-allauth's own."""

from typing import Any

from allauth.account import views
from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache


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
