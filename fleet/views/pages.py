"""What the garage's pages share: for signed-in people, kept nowhere, foreign cars not found."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from fleet import garage

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def page(view: View[P]) -> View[P]:
    """For signed-in people only, never cached; a car that is not theirs is not found."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except garage.NotInGarage:
            return render(request, "404.html", status=HTTPStatus.NOT_FOUND)

    return cast("View[P]", never_cache(login_required(wrapped)))


def away(request: HttpRequest, back: str) -> HttpResponse:
    """Say that Stripe does not answer, and that nothing was changed."""
    context = {"back": back}
    return render(request, "garage/away.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
