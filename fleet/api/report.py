"""A report that is plainly right, stored ahead of Django; whatever else it is for Django to say.

So what is wrong with a report is decided in one place, fleet.api.vehicle, and told by it. Many
report at once, after a publish: all of a moment share a transaction.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.db import Error as DatabaseFault

from fleet import credentials, delivery
from fleet.api import check
from fleet.api.check import Answer, Asked
from fleet.api.problems import NotNow, come_back, problem
from fleet.delivery import AheadOfUs, FormerUnit, Said
from fleet.loads import refresh_connection
from fleet.together import NotDone, Together

LARGEST = 2**53 - 1
JSON = b"application/json"
STORED: Answer = (204, b"", b"")
log = structlog.get_logger()

Reports = Together[Said, None]


def reports() -> Reports:
    """Where the cars of one event loop report."""
    return Together(_store, key=_vehicle_of, rest=refresh_connection)


async def answer(
    to: Callable[[Said], Awaitable[None]],
    headers: dict[bytes, bytes],
    body: bytes,
    asked: Asked,
    *,
    now: datetime,
) -> Answer | None:
    """Answer `PUT /vehicle/v1/entitlement/report` at `now`, once it is stored; None: Django is to.

    Nothing was stored then, and Django finds the same and has the words for it.
    """
    try:
        said = _read(headers, body, now=now)
        await to(said)
    except (DatabaseFault, NotDone) as error:
        log.error("report_not_stored", error=str(error))  # noqa: TRY400 -- an outage is no fault
        return _later(asked)
    except (credentials.TokenInvalid, ValueError, OverflowError, FormerUnit, AheadOfUs):
        return None
    return STORED


def _store(all_said: Any) -> list[Any]:
    return delivery.report_all(all_said)


def _vehicle_of(said: Said) -> UUID:
    return said.vehicle_id


def _read(headers: dict[bytes, bytes], body: bytes, *, now: datetime) -> Said:
    """What a car says. Raises TokenInvalid, and ValueError or OverflowError if it is not plain."""
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    token = credentials.read_header(authorization, now=int(now.timestamp()))
    if headers.get(b"content-type", b"").partition(b";")[0] != JSON:
        raise ValueError("another format")
    match orjson.loads(body):
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


def _later(asked: Asked) -> Answer:
    instance = f"urn:request:{asked.request_id.decode()}"
    said = problem(503, NotNow.default_code, NotNow.default_detail, instance=instance)
    return 503, check.PROBLEM + check.WAIT % come_back(), orjson.dumps(said)


def _is_number(value: Any) -> bool:
    return type(value) is int and 1 <= value <= LARGEST
