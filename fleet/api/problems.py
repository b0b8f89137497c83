"""Errors as problem documents (RFC 9457), never HTML; the only shape in which a car meets one."""

import http
import random
from typing import Any

import structlog
from django.db import Error as DatabaseFault
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

log = structlog.get_logger()
MEDIA_TYPE = "application/problem+json"
OUR_FAULT = "Something went wrong here and was recorded; keep what you have and try again later."
COME_BACK = (3, 9)  # seconds, from and to


class NotNow(exceptions.APIException):
    """Nothing was stored; the car keeps what it wanted to say and says it again."""

    status_code = http.HTTPStatus.SERVICE_UNAVAILABLE
    default_detail = "This cannot be looked up or stored now; keep it and send it again."
    default_code = "not-now"

    def __init__(self) -> None:
        super().__init__()
        self.wait = come_back()  # which the framework tells as Retry-After


def come_back() -> int:
    """In how many seconds a car is to ask again for what cannot be answered now."""
    return random.randint(*COME_BACK)  # noqa: S311 -- jitter


def problem(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return a problem document; programs compare `code`, people read `detail`."""
    return {
        "type": f"urn:premium-connectivity:problem:{code}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": f"urn:request:{request_id()}",
        **more,
    }


def request_id() -> str:
    """The id under which this request is in the logs."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn what a view raised into a problem document; None lets Django make it a 500."""
    if isinstance(error, DatabaseFault):
        log.error("database_failed", exc_info=error)
        error = NotNow()
    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = _document(error, response)
    response.content_type = MEDIA_TYPE
    return response


def _document(error: Exception, response: Response) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        detail = "The body is not as it should be; see `errors`."
        return problem(response.status_code, "invalid", detail, errors=_errors(error.detail))
    if isinstance(error, Http404):
        return problem(404, "not-found", "There is nothing at this address.")
    if isinstance(error, exceptions.APIException):
        more = getattr(error, "members", {})
        codes = error.get_codes()
        code = codes if isinstance(codes, str) else "invalid"
        return problem(response.status_code, code.replace("_", "-"), str(error.detail), **more)
    return problem(response.status_code, "refused", http.HTTPStatus(response.status_code).phrase)


def _errors(detail: Any, pointer: str = "") -> list[dict[str, str]]:
    """Flatten DRF's nested messages into JSON pointers (RFC 6901)."""
    if isinstance(detail, dict):
        return [
            found for key, value in detail.items() for found in _errors(value, pointer + _step(key))
        ]
    if isinstance(detail, list):
        return [found for value in detail for found in _errors(value, pointer)]
    return [{"pointer": f"#{pointer}", "detail": str(detail)}]


def _step(key: str) -> str:
    """A member's part of a pointer; what is wrong with the body as a whole has none."""
    return "" if key == api_settings.NON_FIELD_ERRORS_KEY else f"/{key}"


def _answer(status: int, code: str, detail: str) -> JsonResponse:
    return JsonResponse(problem(status, code, detail), status=status, content_type=MEDIA_TYPE)


def bad_request(_request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001 -- Django's
    """Django's 400, for an edge that shows no HTML."""
    return _answer(400, "bad-request", "The request could not be read.")


def not_found(_request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001 -- Django's
    """Django's 404."""
    return _answer(404, "not-found", "There is nothing at this address.")


def server_error(_request: HttpRequest) -> JsonResponse:
    """Django's 500."""
    return _answer(500, "server-error", OUR_FAULT)
