"""The staff's page of all states: each is the real view, over rows that are rolled back after it.

It must never be there where real owners are: it is not, but in embedded mode. A form on such a page
can be pressed and is not sent, and the token in it opens nothing.
"""

import copy
from datetime import datetime
from http import HTTPStatus
from typing import Any

from allauth.core.context import request_context
from allauth.core.exceptions import ReauthenticationRequired
from csp.constants import NONE
from csp.decorators import csp_replace
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage import default_storage
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import resolve
from django.views.decorators.http import require_safe

from billing import clock
from connectivity.specimens import account, cars, garage, law, money, sharing
from connectivity.specimens.registry import Group, Shown, State

GROUPS: tuple[Group, ...] = (
    money.states,
    cars.states,
    garage.states,
    sharing.states,
    law.states,
    account.states,
)
STATES: dict[str, State] = {state.name: state for group in GROUPS for state in group}
OWNER = "owner@made-up.test"


class LedElsewhere(Exception):
    """The state that was made up is another one: its page sends people away."""


@require_safe
def listed(request: HttpRequest) -> HttpResponse:
    """All of them, each with a link."""
    _only_embedded()
    context = {**admin.site.each_context(request), "title": "States of the pages"}
    return render(request, "admin/states.html", {**context, "groups": GROUPS})


@require_safe
@csp_replace({"form-action": [NONE]})  # type: ignore[arg-type] # theirs, for views without a name
def one(request: HttpRequest, name: str) -> HttpResponse:
    """The page in one of them."""
    _only_embedded()
    if name not in STATES:
        raise Http404
    return shown(request, STATES[name], now=clock.now().replace(microsecond=0))


def shown(request: HttpRequest, state: State, *, now: datetime) -> HttpResponse:
    """The page in a state, as its owner would see it; nothing that is made up for it stays.

    Raises LedElsewhere.
    """
    with transaction.atomic():
        owner = get_user_model().objects.create_user(OWNER)
        seen = state.build(owner, now)
        try:
            response = _answer(_made_up(request, seen, owner), seen)
        except ReauthenticationRequired as error:
            raise LedElsewhere(f"{state.name}: to show once more who one is") from error
        transaction.set_rollback(True)
    if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        raise LedElsewhere(f"{state.name}: to {response.headers['Location']}")
    response.status_code = HTTPStatus.OK  # What is shown is a picture of the page.
    response.cookies.clear()
    return response


def _only_embedded() -> None:
    if not settings.EMBEDDED:
        raise Http404


def _made_up(request: HttpRequest, seen: Shown, owner: Any) -> HttpRequest:
    """The request that the owner would have sent; nothing of whoever looks but their browser's."""
    path, _, query = seen.path.partition("?")
    made: Any = copy.copy(request)
    made.META = {name: value for name, value in request.META.items() if name != "CSRF_COOKIE"}
    made.path = made.path_info = path
    made.META |= {"PATH_INFO": path, "QUERY_STRING": query}
    made.GET = QueryDict(query)
    made.method = "GET" if seen.data is None else "POST"
    made.POST = QueryDict(mutable=True)
    made.POST.update(seen.data or {})
    made.user = owner if seen.signed_in else AnonymousUser()
    made.session = SessionStore()
    made.session.update(seen.session)
    made._messages = default_storage(made)  # noqa: SLF001 -- as Django's middleware does
    return made  # type: ignore[no-any-return]


def _answer(made: HttpRequest, seen: Shown) -> HttpResponse:
    found = resolve(made.path)
    made.resolver_match = found
    with request_context(made):
        if seen.answer is not None:
            return seen.answer(made)
        response: Any = found.func(made, *found.args, **found.kwargs)
        if hasattr(response, "render"):
            response.render()
    return response  # type: ignore[no-any-return]
