"""The check's protocol: from a request's headers to an answer, apart from any server."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson
import structlog
from django.conf import settings

from fleet import access, contact, credentials
from fleet.api.problems import MEDIA_TYPE, OUR_FAULT, come_back, problem
from fleet.callers import Caller, Held
from fleet.credentials import TokenInvalid
from fleet.desk import Behind, Desk, Unknown, require_as_new
from fleet.line import Round
from fleet.loads import NotNow
from fleet.signing import NoKey

log = structlog.get_logger()
# RFC 9110, section 8.8.3; If-None-Match compares weakly, so that W/ makes no difference.
ENTITY_TAG = re.compile(rb'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
OURS = re.compile(rb'"(\d{1,16})\.(\d{1,16})\.\d{1,16}\.\d{1,16}"')
NAME = b"etag: %s\r\ncache-control: private, no-cache\r\n"
JSON = b"content-type: application/json\r\n"
PROBLEM = b"content-type: %s\r\n" % MEDIA_TYPE.encode()
WHO = b'www-authenticate: Bearer error="invalid_token"\r\n'
WAIT = b"retry-after: %d\r\n"
LATER = "This cannot be looked up now; keep what you have and come back."


# Status, headers as they go over the line with names in lower case, body.
Answer = tuple[int, bytes, bytes]


class Asked(NamedTuple):
    """Who asks, for a refusal: where the request came from, and its name in the logs."""

    client: tuple[str, int] | None = None
    forwarded: bytes = b""
    request_id: bytes = b""


async def answer(
    desk: Desk,
    authorization: bytes,
    tags: bytes,
    asked: Callable[[], Asked],
    *,
    now: int,
    counted: bool = True,
) -> Answer:
    """Answer `GET /vehicle/v1/entitlement` at `now`, in Unix seconds; by these two headers.

    `counted` is False where this is not the car's own question, but the same one looked at again.
    """
    caller = desk.callers.get(authorization)
    if caller is None or caller.expires_at <= now:
        try:
            caller = await _met(desk, authorization, now=now)
        except TokenInvalid as error:
            return _unauthorized(desk, asked(), str(error))
    wait = desk.wait_for(caller) if counted else 0
    if wait:
        return _too_often(asked(), wait)
    round_, place = desk.rounds.join(caller.command)
    await round_.done
    # What is remembered of this very value, at an instant of which it speaks, has been compared
    # and computed before: the rule is pure.
    if (
        tags == caller.etag
        and caller.since <= now < caller.until
        and not round_.away
        and round_.replies[place] == caller.value
        and (round_.told or desk.told(round_)) is caller.told
    ):
        return 304, caller.head + next(caller.ring), b""
    reply = Reply(authorization, tags, round_, place)
    return await _considered(desk, caller, reply, asked, now=now)


async def answer_once(authorization: bytes, tags: bytes, asked: Asked, *, now: int) -> Answer:
    """Answer from an event loop that lives for this one request."""
    desk = Desk()
    try:
        return await answer(desk, authorization, tags, lambda: asked, now=now)
    finally:
        await desk.close()


class Reply(NamedTuple):
    """What a car sent, and where the site's word on it is."""

    authorization: bytes
    tags: bytes
    round: Round
    place: int


async def _considered(
    desk: Desk, caller: Caller, reply: Reply, asked: Callable[[], Asked], *, now: int
) -> Answer:
    """Answer from the facts."""
    try:
        return await _found(desk, caller, reply, now=now)
    except (TokenInvalid, Unknown) as error:
        caller.forget()
        return _unauthorized(desk, asked(), str(error))
    except Behind as error:
        return _later(asked(), "behind", str(error))
    except NoKey as error:
        log.critical("no_lease_key", error=str(error))
        return _later(asked(), "not-now", LATER)
    except NotNow:
        return _later(asked(), "not-now", LATER)


async def _found(desk: Desk, caller: Caller, reply: Reply, *, now: int) -> Answer:
    if not reply.tags:
        tags, held = [], Held(generation=caller.generation)
    elif reply.tags == caller.etag:
        tags, held = [caller.etag], caller.held
    else:
        tags = ENTITY_TAG.findall(reply.tags)
        held = _held(tags, caller.generation)
    snapshot, value, told, vin = await desk.facts(caller.vehicle_id, reply.round, reply.place, held)
    if reply.tags == caller.etag and caller.remembers(value, told, now):
        return 304, caller.head + next(caller.ring), b""
    # Who is refused is to know that first: to come back would help nobody.
    credentials.compare(caller.generation, snapshot.generation, removed=snapshot.removed)
    _heard(desk, caller, now)
    require_as_new(held, snapshot, told)
    found = access.check(snapshot, told.catalog, now=now, schedule=told.schedule)
    etag = found.etag.encode()
    caller.held = Held(snapshot.version, told.catalog.revision, caller.generation)
    caller.etag, caller.head = etag, NAME % etag
    caller.ring, caller.may_wait = told.pace(snapshot.traits)
    caller.value, caller.told = value, told
    # A site that is away can say nothing of what comes next.
    caller.since = now
    caller.until = 0 if reply.round.away else min(found.until, caller.heard_until)
    head = caller.head + next(caller.ring)
    if etag in tags:
        return 304, head, b""
    if not caller.vin:  # Its token is of the former form.
        caller.vin = vin or await desk.vin(caller.vehicle_id)
    return 200, head + JSON, _json(found.document(caller.vin))


def _heard(desk: Desk, caller: Caller, now: int) -> None:
    """Have it noted that the car is there.

    What is remembered of a car is good until this is due again at most, so that whoever is
    answered from memory pays nothing for it.
    """
    if caller.heard_until <= now:
        caller.heard_until = now + contact.SPACING
        desk.heard.add(caller.vehicle_id, now=now)


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
    return 401, PROBLEM + WHO, _problem(401, "token-invalid", detail, asked.request_id)


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
    head = PROBLEM + WAIT % wait
    return 429, head, _problem(429, "too-many-failures", detail, request_id)


def failed(asked: Asked) -> Answer:
    """The answer to a request that brought out a mistake of ours."""
    return 500, PROBLEM, _problem(500, "server-error", OUR_FAULT, asked.request_id)


def _too_often(asked: Asked, wait: int) -> Answer:
    detail = "This car asks too often; wait, and then ask as often as `Poll-After` says."
    head = PROBLEM + WAIT % wait
    return 429, head, _problem(429, "too-often", detail, asked.request_id)


def _later(asked: Asked, code: str, detail: str) -> Answer:
    head = PROBLEM + WAIT % come_back()
    return 503, head, _problem(503, code, detail, asked.request_id)


def headers(head: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of an answer as a server wants them that writes them itself."""
    lines = (line.partition(b": ") for line in head.splitlines())
    return [(name, value) for name, _, value in lines]


def _problem(status: int, code: str, detail: str, request_id: bytes) -> bytes:
    return _json(problem(status, code, detail, instance=f"urn:request:{request_id.decode()}"))


def _text(header: bytes) -> str:
    return header.decode("latin-1")


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)
