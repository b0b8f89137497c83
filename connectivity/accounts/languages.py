"""Decides in which language a person reads; knows nothing of what is said in it.

# Note [Whose language]
Somebody signed in reads in their account's language, on each device and in each mail. Anybody else
reads in what they chose here (a cookie), or else in what their browser asks for. Whoever signs in
brings their choice along, and an account without a language takes that of the page.
Staff's pages are in English only: half of each would come from Django in another language. But a
picture of an owner's page is shown in the language that its address names.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from connectivity.middleware import Respond


def in_their_language(respond: Respond) -> Respond:
    """Answer in the reader's language."""

    def middleware(request: HttpRequest) -> HttpResponse:
        language = _of_request(request)
        with translation.override(language):
            response = respond(request)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def _of_request(request: HttpRequest) -> str:
    if request.path_info.startswith(reverse("admin:index")):
        named = request.GET.get("language", "")
        return named if translation.check_for_language(named) else settings.LANGUAGE_CODE
    own = getattr(request.user, "language", "")
    return own if own in dict(settings.LANGUAGES) else chosen_here(request)


def chosen_here(request: HttpRequest) -> str:
    """Return what was chosen in this browser, or what it asks for."""
    return translation.get_language_from_request(request)


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """Keep the choice in a cookie, for somebody signed in in their account too, and go back."""
    response: HttpResponse = set_language(request)
    language = request.POST.get("language", "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        keep(request.user, language)
    return response


def brought_along(user: Any, request: HttpRequest) -> None:
    """Keep what was chosen in this browser; an account without a language takes the page's."""
    chosen = settings.LANGUAGE_COOKIE_NAME in request.COOKIES
    if chosen or not user.language:
        keep(user, chosen_here(request))


def keep(user: Any, language: str) -> None:
    """Make this the language of the account."""
    if user.language != language:
        user.language = language
        get_user_model().objects.filter(pk=user.pk).update(language=language)
