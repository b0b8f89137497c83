"""The landing page and what is said when a request cannot be answered; no page of cars or money."""

import logging
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing import queries
from connectivity import showcase

log = logging.getLogger(__name__)


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """Say in one screen what Premium adds, what Standard keeps, and the price."""
    premium = queries.catalog().plan(queries.PREMIUM)
    # Who reads German is most likely to drive a car that was made for Europe.
    first = "eur" if get_language() == "de" else "usd"
    shown = {
        "features": showcase.features(premium.features) if premium else [],
        "price": showcase.prices(queries.offers(currency=first)),
        "with_vat": first == "eur",
        "america": showcase.prices(queries.offers(currency="usd")),
        "canada": showcase.prices(queries.offers(currency="cad")),
        "europe": showcase.prices(queries.offers(currency="eur")),
    }
    return render(request, "landing.html", shown)


@require_safe
def robots(_request: HttpRequest) -> HttpResponse:
    """Let search engines read what anybody can read; what is private asks who is there anyway."""
    return HttpResponse("User-agent: *\nAllow: /\n", content_type="text/plain")


@require_safe
def nothing_here(request: HttpRequest, **_kwargs: str) -> HttpResponse:
    """Stand in for what allauth would serve: passwords do not exist here, so no page sets one."""
    return render(request, "404.html", status=HTTPStatus.NOT_FOUND)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say what to do when a form came without its token: mostly a page that was open for weeks."""
    log.info("A form was refused: %s", reason)
    context = {
        "title": _("This page was open for too long"),
        "text": _(
            "For your safety we did not accept the form. Nothing was changed. "
            "Go back, reload the page and send it again; your browser must allow cookies."
        ),
    }
    return render(request, "problem.html", context, status=HTTPStatus.FORBIDDEN)
