"""The check's protocol: from a request's headers to an answer, apart from any server."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from django.conf import settings

from fleet import access, credentials
from fleet.api.problems import MEDIA_TYPE, OUR_FAULT, come_back, problem
from fleet.callers import Caller, Header
from fleet.credentials import TokenInvalid
from fleet.desk import Behind, Desk, Held, Unknown
from fleet.line import Round
from fleet.loads import NotNow

log = structlog.get_logger()
# RFC 9110, section 8.8.3; If-None-Match compares weakly, so that W/ makes no difference.
ENTITY_TAG = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
OURS = re.compile(rb'"(\d{1,16})\.(\d{1,16})\.\d{1,16}\.\d{1,16}"')
NOT_CACHED = (b"cache-control", b"private, no-cache")
JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", MEDIA_TYPE.encode())
WHO = (b"www-authenticate", b'Bearer error="invalid_token"')
LATER = "This cannot be looked up now; keep what you have and come back."


class Asked(NamedTuple):
    """A request: some of its headers, the address that it came from, and its name in the logs."""

    authorization: bytes
    tags: bytes = b""
    client: tuple[str, int] | None = None
    forwarded: bytes = b""
    request_id: bytes = b""


class Answer(NamedTuple):
    """An HTTP answer; header names in lower case."""

    status: int
    headers: list[Header]
    body: bytes = b""


async def answer(desk: Desk, asked: Asked, *, now: int) -> Answer:
    """Answer `GET /vehicle/v1/entitlement` at `now`, in Unix seconds."""
    caller = desk.callers.get(asked.authorization)
    if caller is None or caller.expires_at <= now:
        try:
            caller = await _met(desk, asked.authorization, now=now)
        except TokenInvalid as error:
            return _unauthorized(desk, asked, str(error))
    instant = desk.site.loop.time()
    if caller.full_at > instant:
        wait = desk.car_limit.wait(caller.full_at, instant)
        if wait:
            return _too_often(asked, "This car asks too often.", wait)
    caller.full_at = desk.car_limit.after(caller.full_at, instant)
    round_, place = desk.rounds.join(caller.command)
    await round_.done
    # What is remembered of this very value, at an instant of which it speaks, has been compared
    # and computed before: the rule is pure.
    if (
        asked.tags == caller.etag
        and caller.since <= now < caller.until
        and not round_.away
        and round_.replies[place] == caller.value
        and desk.told(round_) is caller.told
    ):
        return Answer(304, [caller.header, NOT_CACHED, next(caller.ring)])
    return await _considered(desk, asked, caller, round_, place, now=now)


async def answer_once(asked: Asked, *, now: int) -> Answer:
    """Answer from an event loop that lives for this one request."""
    desk = Desk()
    try:
        return await answer(desk, asked, now=now)
    finally:
        await desk.close()


async def _considered(
    desk: Desk, asked: Asked, caller: Caller, round_: Round, place: int, *, now: int
) -> Answer:
    """Answer from the facts."""
    tags = ENTITY_TAG.findall(asked.tags)
    try:
        return await _found(desk, asked, caller, tags, (round_, place), now=now)
    except (TokenInvalid, Unknown) as error:
        caller.forget()
        return _unauthorized(desk, asked, str(error))
    except Behind as error:
        return _later(asked, "behind", str(error))
    except NotNow:
        return _later(asked, "not-now", LATER)


async def _found(
    desk: Desk,
    asked: Asked,
    caller: Caller,
    tags: Sequence[bytes],
    reply: tuple[Round, int],
    *,
    now: int,
) -> Answer:
    held = _held(tags, caller.generation)
    snapshot, told, vin = await desk.facts(caller.vehicle_id, *reply, held)
    credentials.compare(caller.generation, snapshot.generation, removed=snapshot.removed)
    found = access.check(snapshot, told.catalog, now=now)
    etag = found.etag.encode()
    caller.etag, caller.header = etag, (b"etag", etag)
    caller.ring = told.ring(snapshot.traits)
    if vin is None and not reply[0].away:
        # It followed from the site's own words alone, so it will do so again.
        caller.value, caller.told = reply[0].replies[reply[1]], told
        caller.since, caller.until = now, found.until
    headers = [caller.header, NOT_CACHED, next(caller.ring)]
    if etag in tags:
        return Answer(304, headers)
    vin = vin or credentials.vin(_text(asked.authorization)) or await desk.vin(caller.vehicle_id)
    return Answer(200, [*headers, JSON], _json(found.document(vin)))


async def _met(desk: Desk, authorization: bytes, *, now: int) -> Caller:
    """Whose token it is; an expired one counts for a while if nobody could get a new one."""
    try:
        token = credentials.read_header(_text(authorization), now=now)
    except credentials.TokenExpired:
        token = credentials.read_header(_text(authorization), now=now - credentials.GRACE)
        if await access.can_sign_in(now=now):
            raise
        return desk.callers.get(authorization) or Caller(token)
    caller = Caller(token)
    desk.callers.add(authorization, caller)
    return caller


def _held(tags: Sequence[bytes], generation: int) -> Held:
    """The newest of what the car says it holds."""
    ours = [match for match in map(OURS.fullmatch, tags) if match]
    version, catalog = max(((int(m[1]), int(m[2])) for m in ours), default=(0, 0))
    return Held(version, catalog, generation)


def _unauthorized(desk: Desk, asked: Asked, detail: str) -> Answer:
    """Refuse, and count it: who is refused too often from one address is told to wait."""
    where = address(asked.client, asked.forwarded)
    wait = desk.wait_of(where)
    if wait:
        return too_many_failures(asked.request_id, wait)
    desk.count_failure(where)
    return Answer(401, [PROBLEM, WHO], _problem(401, "token-invalid", detail, asked.request_id))


def address(client: tuple[str, int] | None, forwarded: bytes) -> str:
    """Whose request it is: what the outermost of the proxies that we trust has seen."""
    seen = [each.strip() for each in _text(forwarded).split(",") if each.strip()]
    trusted = settings.TRUSTED_PROXIES
    if trusted and len(seen) >= trusted:
        return seen[-trusted]
    return client[0] if client else ""


def too_many_failures(request_id: bytes, wait: int) -> Answer:
    """The answer to one more failure from an address that has had too many."""
    detail = "Too many requests from this address were refused; wait, and use a good token."
    headers = [PROBLEM, (b"retry-after", b"%d" % wait)]
    return Answer(429, headers, _problem(429, "too-many-failures", detail, request_id))


def failed(asked: Asked) -> Answer:
    """The answer to a request that brought out a mistake of ours."""
    return Answer(500, [PROBLEM], _problem(500, "server-error", OUR_FAULT, asked.request_id))


def _too_often(asked: Asked, detail: str, wait: int) -> Answer:
    headers = [PROBLEM, (b"retry-after", b"%d" % wait)]
    return Answer(429, headers, _problem(429, "too-often", detail, asked.request_id))


def _later(asked: Asked, code: str, detail: str) -> Answer:
    headers = [PROBLEM, (b"retry-after", b"%d" % come_back())]
    return Answer(503, headers, _problem(503, code, detail, asked.request_id))


def _problem(status: int, code: str, detail: str, request_id: bytes) -> bytes:
    return _json(problem(status, code, detail, instance=f"urn:request:{request_id.decode()}"))


def _text(header: bytes) -> str:
    return header.decode("latin-1")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
