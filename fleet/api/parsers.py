"""Bodies that cars send: small ones in UTF-8; what cannot be read is refused, never half read."""

import json
from typing import IO, Any

from django.http import QueryDict
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

LARGEST = 64 * 1024  # bytes


class TooLarge(APIException):
    """No car has so much to say."""

    status_code = 413
    default_detail = f"The body is to be at most {LARGEST} bytes."
    default_code = "too-large"


class Json(BaseParser):
    """A JSON document (RFC 8259), which is UTF-8 whatever its charset is said to be."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], *_: Any, **__: Any) -> Any:
        """Return the document. Raises ParseError, TooLarge."""
        try:
            return json.loads(_read(stream).decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise ParseError("The body is not JSON.") from None


class Form(BaseParser):
    """A form as OAuth wants it."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, stream: IO[Any], *_: Any, **__: Any) -> QueryDict:
        """Return the fields. Raises TooLarge."""
        return QueryDict(_read(stream), encoding="utf-8")


def _read(stream: IO[Any]) -> bytes:
    body: bytes = stream.read(LARGEST + 1)
    if len(body) > LARGEST:
        raise TooLarge
    return body


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON.")
