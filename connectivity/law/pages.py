"""The pages that say in plain words what is agreed, what is kept of people, and how we try."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing import agreements
from connectivity.law.seller import seller


@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    """What buyer and seller agree on."""
    return _page(request, "law/terms.html", version=agreements.TERMS)


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept of people, why, for how long, and what they can do about it."""
    return _page(request, "law/privacy.html")


@require_safe
def accessibility(request: HttpRequest) -> HttpResponse:
    """How usable the pages are for everybody, what was tested, whom to tell."""
    return _page(request, "law/accessibility.html")


@require_safe
def imprint(request: HttpRequest) -> HttpResponse:
    """Who sells."""
    return _page(request, "law/imprint.html")


def _page(request: HttpRequest, template: str, **context: str) -> HttpResponse:
    return render(request, template, {"seller": seller(), **context})
