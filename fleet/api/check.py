"""The check's protocol: from a request's headers to an answer, apart from any server."""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from fleet import access, credentials, snapshots
from fleet.api.problems import MEDIA_TYPE, problem

ETAG = re.compile(r'(?:W/)?"(\d{1,16})\.(\d{1,16})\.\d{1,16}\.\d{1,16}"')
SPREAD = 0.1  # of the polling interval, either way, so that a fleet does not fall into step
COME_BACK = 5  # seconds, spread likewise


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


async def answer(headers: Mapping[str, str], *, now: int) -> Answer:
    """Answer `GET /vehicle/v1/entitlement`; header names in lower case, `now` in Unix seconds."""
    held = headers.get("if-none-match", "")
    try:
        who = credentials.read_header(headers.get("authorization", ""), now=now)
        found = await access.check(who.vehicle_id, held=_held(held), now=now)
        credentials.compare(who, found.snapshot.generation, removed=found.snapshot.removed)
    except (credentials.TokenInvalid, access.Unknown) as error:
        return _unauthorized(str(error))
    except access.Behind as error:
        return _later(str(error))
    return _found(found, held)


async def answer_once(headers: Mapping[str, str], *, now: int) -> Answer:
    """Answer from an event loop that lives for this one request."""
    try:
        return await answer(headers, now=now)
    finally:
        await snapshots.close()


def _found(found: access.Checked, held: str) -> Answer:
    headers = {
        "ETag": found.etag,
        "Cache-Control": "private, no-cache",
        "Poll-After": str(_spread(settings.POLL_SECONDS)),
    }
    if found.etag in held:
        return Answer(304, headers)
    headers["Content-Type"] = "application/json"
    return Answer(200, headers, _json(found.document()))


def _held(if_none_match: str) -> tuple[int, int]:
    """The newest (version, catalogue) that the car says it holds."""
    pairs = [(int(match[1]), int(match[2])) for match in ETAG.finditer(if_none_match)]
    return max(pairs, default=(0, 0))


def _unauthorized(detail: str) -> Answer:
    headers = {"Content-Type": MEDIA_TYPE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Answer(401, headers, _json(problem(401, "token-invalid", detail)))


def _later(detail: str) -> Answer:
    headers = {"Content-Type": MEDIA_TYPE, "Retry-After": str(_spread(COME_BACK))}
    return Answer(503, headers, _json(problem(503, "behind", detail)))


def away() -> Answer:
    """The answer when neither Redis nor PostgreSQL can be asked."""
    return _later("The service cannot look this up now; keep what you have and come back.")


def _spread(seconds: int) -> int:
    return max(1, round(seconds * random.uniform(1 - SPREAD, 1 + SPREAD)))  # noqa: S311 -- jitter


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
