"""The edge (ASGI): answers the check ahead of Django, and hands Django the rest of /vehicle.

Every answer carries `Date` by the product's own clock, which a car without trusted time takes, and
the id under which the request is in the logs.
"""

import json
import os
import re
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any
from uuid import uuid4

import structlog
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.edge")
_django = get_asgi_application()

from billing import clock  # noqa: E402 -- Django is to be set up first
from fleet import snapshots  # noqa: E402
from fleet.api import check  # noqa: E402
from fleet.api.parsers import LARGEST, TooLarge  # noqa: E402
from fleet.api.problems import MEDIA_TYPE, problem  # noqa: E402

Message = Any  # ASGI messages are dictionaries that each server types in its own way.
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHECK = "/vehicle/v1/entitlement"
REQUEST_ID = b"x-request-id"
# A stranger's id goes into our logs, so it is a short word or none of ours.
WORD = re.compile(rb"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger()


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http":
        request_id = _request_id(scope["headers"])
        stamped = _stamped(send, request_id)
        if scope["path"] == CHECK and scope["method"] in ("GET", "HEAD"):
            await _check(scope, stamped, request_id)
        else:
            await _the_rest(scope, receive, stamped, request_id)


async def _check(scope: Message, send: Send, request_id: bytes) -> None:
    structlog.contextvars.bind_contextvars(request_id=request_id.decode())
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        answer = await check.answer(headers, now=int(clock.unix()))
    except Exception:  # Whatever it is, a car meets a problem document and we meet the log.
        log.exception("check_failed")
        answer = check.failed()
    await _tell(answer, send)


async def _the_rest(scope: Message, receive: Receive, send: Send, request_id: bytes) -> None:
    structlog.contextvars.bind_contextvars(request_id=request_id.decode())
    headers = dict(scope["headers"])
    if int(headers.get(b"content-length", 0)) > LARGEST:
        await _tell(_too_large(), send)
        return
    others = [pair for pair in scope["headers"] if pair[0] != REQUEST_ID]
    named = {**scope, "headers": [*others, (REQUEST_ID, request_id)]}
    try:
        await _django(named, _counted(receive), send)
    except TooLarge:  # Django reads the whole body before it does anything else.
        await _tell(_too_large(), send)


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


def _too_large() -> check.Answer:
    document = problem(TooLarge.status_code, TooLarge.default_code, TooLarge.default_detail)
    # What is still to come is not read, so the connection cannot be used again.
    headers = {"Content-Type": MEDIA_TYPE, "Connection": "close"}
    return check.Answer(TooLarge.status_code, headers, json.dumps(document).encode())


async def _tell(answer: check.Answer, send: Send) -> None:
    raw = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.status != 304:
        raw.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})


def _request_id(headers: list[tuple[bytes, bytes]]) -> bytes:
    given = dict(headers).get(REQUEST_ID, b"")
    return given if WORD.fullmatch(given) else str(uuid4()).encode()


def _stamped(send: Send, request_id: bytes) -> Send:
    async def send_stamped(message: Message) -> None:
        if message["type"] == "http.response.start":
            date = formatdate(clock.unix(), usegmt=True).encode()
            stamps = [(b"date", date), (REQUEST_ID, request_id)]
            message["headers"] = [*message.get("headers", []), *stamps]
        await send(message)

    return send_stamped


async def _live(receive: Receive, send: Send) -> None:
    """Nothing is to be opened: connections are made by the first who needs one."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await snapshots.close()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
