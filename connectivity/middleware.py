"""What holds for every page: private ones are not kept, an outage is said in words, no NUL gets in.

It must never know what a page is about.
"""

from collections.abc import Callable
from http import HTTPStatus
from smtplib import SMTPException

import structlog
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.cache import add_never_cache_headers

log = structlog.get_logger()
Respond = Callable[[HttpRequest], HttpResponse]
OUTAGES = (OperationalError, InterfaceError, SMTPException, ConnectionError, TimeoutError)
NUL = ("\x00", "%00")


def private_pages(respond: Respond) -> Respond:
    """Keep what signed-in people see out of every cache, the browser's after sign-out included."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = respond(request)
        said = "Cache-Control" in response or response.status_code >= HTTPStatus.BAD_REQUEST
        if not said and request.user.is_authenticated:
            add_never_cache_headers(response)
        return response

    return middleware


def no_nul(respond: Respond) -> Respond:
    """Answer 400 to an address with a NUL in it: PostgreSQL cannot store one, nobody types one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        address = request.path_info + request.META.get("QUERY_STRING", "")
        if any(nul in address for nul in NUL):
            return HttpResponse("Bad address.\n", status=400, content_type="text/plain")
        return respond(request)

    return middleware


class Outage:
    """Says in words that the database or the mail server is away, whatever page needed it."""

    def __init__(self, respond: Respond) -> None:
        """Take the rest of the chain."""
        self._respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Ask it."""
        return self._respond(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer for a view that met an outage; anything else is a fault of ours, and stays one."""
        if not isinstance(error, OUTAGES):
            return None
        log.error("outage", error=type(error).__name__)
        page = render_to_string("outage.html")
        headers = {"Retry-After": "10"}
        return HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE, headers=headers)
