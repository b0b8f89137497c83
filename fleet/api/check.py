"""The check's protocol: from a request's headers to an answer, apart from any server."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseFault

from fleet import access, credentials, snapshots
from fleet.access import Held
from fleet.api.problems import MEDIA_TYPE, OUR_FAULT, come_back, problem, spread

log = structlog.get_logger()
# RFC 9110, section 8.8.3; If-None-Match compares weakly, so that W/ makes no difference.
ENTITY_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
OURS = re.compile(r'"(\d{1,16})\.(\d{1,16})\.\d{1,16}\.\d{1,16}"', re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes = b""


async def answer(headers: Mapping[str, str], *, now: int) -> Answer:
    """Answer `GET /vehicle/v1/entitlement`; header names in lower case, `now` in Unix seconds."""
    tags = ENTITY_TAG.findall(headers.get("if-none-match", ""))
    try:
        who = await _who(headers.get("authorization", ""), now=now)
        found = await access.check(who.vehicle_id, held=_held(tags, who), now=now)
        credentials.compare(who, found.snapshot.generation, removed=found.snapshot.removed)
    except (credentials.TokenInvalid, access.Unknown) as error:
        return _unauthorized(str(error))
    except access.Behind as error:
        return _later("behind", str(error))
    except DatabaseFault:
        log.exception("nothing_to_answer_from")
        detail = "This cannot be looked up now; keep what you have and come back."
        return _later("not-now", detail)
    return _found(found, tags)


async def answer_once(headers: Mapping[str, str], *, now: int) -> Answer:
    """Answer from an event loop that lives for this one request."""
    try:
        return await answer(headers, now=now)
    finally:
        await snapshots.close()


async def _who(authorization: str, *, now: int) -> credentials.Token:
    """Whose token it is; an expired one counts for a while if nobody could get a new one."""
    try:
        return credentials.read_header(authorization, now=now)
    except credentials.TokenExpired:
        late = credentials.read_header(authorization, now=now - credentials.GRACE)
        if await access.can_sign_in(now=now):
            raise
        return late


def _found(found: access.Checked, tags: Sequence[str]) -> Answer:
    headers = {
        "ETag": found.etag,
        "Cache-Control": "private, no-cache",
        "Poll-After": str(spread(settings.POLL_SECONDS)),
    }
    if found.etag in tags:
        return Answer(304, headers)
    headers["Content-Type"] = "application/json"
    return Answer(200, headers, _json(found.document()))


def _held(tags: Sequence[str], who: credentials.Token) -> Held:
    """The newest of what the car says it holds."""
    ours = [match for match in map(OURS.fullmatch, tags) if match]
    version, catalog = max(((int(m[1]), int(m[2])) for m in ours), default=(0, 0))
    return Held(version, catalog, who.generation)


def _unauthorized(detail: str) -> Answer:
    headers = {"Content-Type": MEDIA_TYPE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
    return Answer(401, headers, _json(problem(401, "token-invalid", detail)))


def failed() -> Answer:
    """The answer to a request that brought out a mistake of ours."""
    document = problem(500, "server-error", OUR_FAULT)
    return Answer(500, {"Content-Type": MEDIA_TYPE}, _json(document))


def _later(code: str, detail: str) -> Answer:
    headers = {"Content-Type": MEDIA_TYPE, "Retry-After": str(come_back())}
    return Answer(503, headers, _json(problem(503, code, detail)))


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
