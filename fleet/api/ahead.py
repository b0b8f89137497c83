"""What is plainly right is done ahead of Django, that of a moment together: reports and tokens.

Of all else it is for Django to say what is wrong: that is decided in one place, fleet.api.vehicle,
and told in its words. Nothing has been stored of a request that is left to it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
import structlog
from django.db import Error as DatabaseFault

from fleet import credentials, delivery
from fleet.api import check
from fleet.api.check import Answer
from fleet.api.problems import NotNow, come_back, problem
from fleet.credentials import GRANT_TYPE, AssertionRefused, Issued, TokenInvalid
from fleet.delivery import AheadOfUs, FormerUnit, Said
from fleet.loads import refresh_connection
from fleet.together import NotDone, Together

LARGEST = 2**53 - 1
JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"
ASSERTION = re.compile(r"[A-Za-z0-9_.-]{1,4096}")
REFUSED = (TokenInvalid, AssertionRefused, FormerUnit, AheadOfUs, ValueError, OverflowError)
STORED: Answer = (204, b"", b"")
ISSUED = check.JSON + b"cache-control: no-store\r\n"
log = structlog.get_logger()


class Request(NamedTuple):
    """A request that has come in whole; `name` is its name in the logs."""

    headers: dict[bytes, bytes]
    body: bytes
    name: bytes


class Ahead:
    """What is done ahead of Django for the cars of one event loop."""

    def __init__(self) -> None:
        self._reports = Together(_report_all, _vehicle_of, refresh_connection)
        self._tokens = Together(_exchange_all, _assertion_of, refresh_connection)

    async def report(self, request: Request, *, now: datetime) -> Answer | None:
        """Answer `PUT /vehicle/v1/entitlement/report` once it is stored; None: Django is to."""
        try:
            await self._reports(_said(request, now=now))
        except REFUSED:
            return None
        except (DatabaseFault, NotDone) as error:
            return _not_now(request, error)
        return STORED

    async def token(self, request: Request, *, now: datetime) -> Answer | None:
        """Answer `POST /vehicle/v1/token` once its assertion is spent; None: Django is to."""
        try:
            issued = await self._tokens((_assertion(request), now))
        except REFUSED:
            return None
        except (DatabaseFault, NotDone) as error:
            return _not_now(request, error)
        return 200, ISSUED, orjson.dumps(issued.document())

    async def close(self) -> None:
        """Come to an end."""
        await self._reports.close()
        await self._tokens.close()


Brought = tuple[str, datetime]


def _report_all(all_said: Sequence[Said]) -> Sequence[Exception | None]:
    return delivery.report_all(all_said)


def _vehicle_of(said: Said) -> UUID:
    return said.vehicle_id


def _exchange_all(brought: Sequence[Brought]) -> Sequence[Issued | Exception]:
    return credentials.exchange_all([each for each, _ in brought], now=brought[-1][1])


def _assertion_of(brought: Brought) -> str:
    return brought[0]


def _said(request: Request, *, now: datetime) -> Said:
    """What a car says. Raises TokenInvalid, and ValueError or OverflowError if it is not plain."""
    authorization = request.headers.get(b"authorization", b"").decode("latin-1")
    token = credentials.read_header(authorization, now=int(now.timestamp()))
    _require_plain(request, JSON)
    match orjson.loads(request.body):
        case {"version": version, "catalog": catalog, "result": result, "at": str(at), **more}:
            reason: Any = more.get("reason", "")
            plain = (
                _is_number(version)
                and _is_number(catalog)
                and result in ("applied", "failed")
                and isinstance(reason, str)
                and reason == reason.strip()
                and "\0" not in reason
            )
            instant = datetime.fromisoformat(at)
            if plain and instant.tzinfo is not None:
                return Said(
                    vehicle_id=token.vehicle_id,
                    generation=token.generation,
                    version=version,
                    catalog=catalog,
                    applied=result == "applied",
                    reason=reason,
                    at=instant.astimezone(UTC),
                    received_at=now,
                )
    raise ValueError("not plainly a report")


def _assertion(request: Request) -> str:
    """The assertion in a request for a token. Raises ValueError if it is not plainly one."""
    _require_plain(request, FORM)
    fields = parse_qsl(request.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    match sorted(fields):
        case [("assertion", assertion), ("grant_type", grant)]:
            if grant == GRANT_TYPE and ASSERTION.fullmatch(assertion):
                return assertion
    raise ValueError("not plainly a request for a token")


def _require_plain(request: Request, kind: bytes) -> None:
    """Raise ValueError unless this kind of body was sent, by somebody who takes what we answer."""
    sent = request.headers.get(b"content-type", b"").partition(b";")[0]
    if sent != kind or request.headers.get(b"accept", JSON) not in (JSON, b"*/*"):
        raise ValueError("another format")


def _is_number(value: Any) -> bool:
    return type(value) is int and 1 <= value <= LARGEST


def _not_now(request: Request, error: Exception) -> Answer:
    """Say that nothing is promised: the car is to send the same again, or a new assertion."""
    log.error("not_stored", error=str(error), request_id=request.name.decode())
    instance = f"urn:request:{request.name.decode()}"
    said = problem(503, NotNow.default_code, NotNow.default_detail, instance=instance)
    return 503, check.PROBLEM + check.WAIT % come_back(), orjson.dumps(said)
