"""The edge (ASGI): answers what cars ask all day ahead of Django, which has the rest of /vehicle.

Every answer carries `Date` by the product's own clock, which a car without trusted time takes, and
the id under which the request is in the logs.
"""

import asyncio
import gc
import json
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from itertools import count
from typing import Any

import structlog
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.edge")
_django = get_asgi_application()


from billing import clock  # noqa: E402 -- Django is to be set up first
from connectivity import answers, guarded  # noqa: E402
from fleet.api import check, holding  # noqa: E402
from fleet.api.ahead import Ahead, Request  # noqa: E402
from fleet.api.check import Answer, Asked  # noqa: E402
from fleet.api.parsers import LARGEST, TooLarge  # noqa: E402
from fleet.api.problems import problem  # noqa: E402
from fleet.desk import Desk  # noqa: E402

Message = Any  # ASGI messages are dictionaries that each server types in its own way.
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHECK = "/vehicle/v1/entitlement"
TOKEN = "/vehicle/v1/token"  # noqa: S105 -- an address
AHEAD = {("PUT", "/vehicle/v1/entitlement/report"): Ahead.report, ("POST", TOKEN): Ahead.token}
REQUEST_ID = b"x-request-id"
FORWARDED = b"x-forwarded-for"
FAILURES = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}
BODILESS = frozenset({int(HTTPStatus.NOT_MODIFIED), int(HTTPStatus.NO_CONTENT)})
# A stranger's id goes into our logs, so it is a short word or none of ours.
WORD = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HOUR = 3600  # seconds
ROUND = 10  # seconds
NEVER = 1_000_000_000
YOUNG = 20_000  # new objects; some thousand are in use while cars wait for a load together
log = structlog.get_logger()
# Ours: one word for the process, and a number.
_process = secrets.token_hex(6).encode()
_numbers = count(1)


class Counter:
    """What belongs to one event loop: its desks, and the time, read once a loop turn."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.desk = Desk()
        self.ahead = Ahead()
        self._now = self._dated = -1
        self._fresh = False
        self._date = b""

    def now(self) -> int:
        """The time in Unix seconds."""
        if not self._fresh:
            self._now = int(clock.unix())
            self._fresh = True
            self._loop.call_soon(self._stale)
        return self._now

    def date(self) -> bytes:
        """The time as `Date` has it, written once a second."""
        now = self.now()
        if now != self._dated:
            self._dated, self._date = now, formatdate(now, usegmt=True).encode()
        return self._date

    def _stale(self) -> None:
        self._fresh = False


_counter: Counter | None = None


def _open() -> Counter:
    """The counter of this process's event loop."""
    global _counter
    if _counter is None:
        _counter = Counter()
    return _counter


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] == "http":
        if scope["path"] == CHECK and scope["method"] in ("GET", "HEAD"):
            await _check(scope, send)
        elif call := AHEAD.get((scope["method"], scope["path"])):
            await _ahead(call, scope, receive, send)
        else:
            await _the_rest(scope, receive, send)
    elif scope["type"] == "lifespan":
        await _live(receive, send)


async def _check(scope: Message, send: Send) -> None:
    counter = _counter or _open()
    authorization = tags = request_id = forwarded = prefer = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            authorization = value
        elif name == b"if-none-match":
            tags = tags + b"," + value if tags else value
        elif name == REQUEST_ID:
            request_id = value
        elif name == FORWARDED:
            forwarded = value
        elif name == b"prefer":
            prefer = prefer + b"," + value if prefer else value
    request_id = _named(request_id)
    seconds = holding.asked_for(prefer) if prefer else 0

    def asked() -> Asked:
        return Asked(scope["client"], forwarded, request_id)

    try:
        if seconds:
            answer = await holding.answer(
                counter.desk,
                authorization,
                tags,
                asked,
                seconds=seconds,
                clock=clock.unix,
                watch=lambda over: guarded.watch(send, over),
            )
        else:
            answer = await check.answer(counter.desk, authorization, tags, asked, now=counter.now())
    except Exception:  # Whatever it is, a car meets a problem document and we meet the log.
        log.exception("check_failed", request_id=request_id.decode())
        answer = check.failed(asked())
    await _tell(answer, send, counter, request_id)


async def _ahead(call: Any, scope: Message, receive: Receive, send: Send) -> None:
    counter = _counter or _open()
    headers = dict(scope["headers"])
    address = check.address(scope["client"], headers.get(FORWARDED, b""))
    # Without a good length there may be no end: see `_the_rest`, which also has who is to wait.
    if 0 < int(headers.get(b"content-length", 0)) <= LARGEST and not counter.desk.wait_of(address):
        body = b""
        while (message := await receive()).get("more_body", False):
            body += message["body"]
        body += message.get("body", b"")
        request = Request(headers, body, _named(headers.get(REQUEST_ID, b"")))
        try:
            answer = await call(counter.ahead, request, now=clock.now())
        except Exception:  # As above.
            log.exception("not_done_ahead", request_id=request.name.decode())
            answer = check.failed(Asked(request_id=request.name))
        if answer is not None:
            await _tell(answer, send, counter, request.name)
            return
        receive = _again(message | {"body": body}, receive)
    await _the_rest(scope, receive, send)


def _again(message: Message, receive: Receive) -> Receive:
    """Receive once more what was received, and then what comes."""
    held = [message]

    async def receive_again() -> Message:
        return held.pop() if held else await receive()

    return receive_again


async def _the_rest(scope: Message, receive: Receive, send: Send) -> None:
    counter = _counter or _open()
    headers = dict(scope["headers"])
    request_id = _named(headers.get(REQUEST_ID, b""))
    structlog.contextvars.bind_contextvars(request_id=request_id.decode())
    address = check.address(scope["client"], headers.get(FORWARDED, b""))
    if int(headers.get(b"content-length", 0)) > LARGEST:
        await _tell(_too_large(), send, counter, request_id)
        return
    wait = counter.desk.wait_of(address) if scope["path"] == TOKEN else 0
    if wait:
        await _tell(check.too_many_failures(request_id, wait), send, counter, request_id)
        return
    others = [pair for pair in scope["headers"] if pair[0] != REQUEST_ID]
    named = {**scope, "headers": [*others, (REQUEST_ID, request_id)]}
    try:
        await _django(named, _counted(receive), _stamped(send, counter, request_id, address))
    except TooLarge:  # Django reads the whole body before it does anything else.
        await _tell(_too_large(), send, counter, request_id)


def _counted(receive: Receive) -> Receive:
    """Stop a body without a Content-Length: Django would keep all of it on the disk first."""
    taken = 0

    async def receive_counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST:
            raise TooLarge
        return message

    return receive_counted


def _named(given: bytes) -> bytes:
    """The request's name in the logs: what it brought, if that is a short word, or ours."""
    if given and WORD.fullmatch(given):
        return given
    return b"%s-%x" % (_process, next(_numbers))


def _too_large() -> Answer:
    document = problem(TooLarge.status_code, TooLarge.default_code, TooLarge.default_detail)
    # What is still to come is not read, so the connection cannot be used again.
    head = check.PROBLEM + b"connection: close\r\n"
    return TooLarge.status_code, head, json.dumps(document).encode()


async def _tell(answer: Answer, send: Send, counter: Counter, request_id: bytes) -> None:
    status, head, body = answer
    answers.given[status] += 1
    if status not in BODILESS:
        head += b"content-length: %d\r\n" % len(body)
    head = b"%sdate: %s\r\nx-request-id: %s\r\n" % (head, counter.date(), request_id)
    if b"\r\nconnection: " in head or not guarded.tell(send, status, head, body):
        headers = check.headers(head)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _stamped(send: Send, counter: Counter, request_id: bytes, address: str) -> Send:
    async def send_stamped(message: Message) -> None:
        if message["type"] == "http.response.start":
            answers.given[message["status"]] += 1
            stamps = [(b"date", counter.date()), (REQUEST_ID, request_id)]
            message["headers"] = [*message.get("headers", []), *stamps]
            if message["status"] in FAILURES:
                counter.desk.count_failure(address)
        await send(message)

    return send_stamped


def _collect_in_rounds() -> None:
    """Look for garbage among what is new every few seconds, among all of it once an hour.

    Python would look through all that is remembered of a hundred thousand cars, which takes 80 ms
    and finds nothing, whenever many are new. What a request through Django leaves behind is found
    by the next round; what was in use in a round, and so set aside with the rest, within the hour.
    """
    _, middle, _ = gc.get_threshold()
    gc.set_threshold(YOUNG, middle, NEVER)
    _collect(0)


def _collect(number: int) -> None:
    if number % (HOUR // ROUND) == 0:
        gc.unfreeze()
    gc.collect()
    gc.freeze()
    asyncio.get_running_loop().call_later(ROUND, _collect, number + 1)


async def _live(receive: Receive, send: Send) -> None:
    """Connections are made by the first who needs one; at the end they are closed."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            _collect_in_rounds()
        if message["type"] == "lifespan.shutdown" and _counter is not None:
            await _counter.ahead.close()
            await _counter.desk.close()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
