"""The edge (ASGI): answers the check ahead of Django, and hands Django the rest of /vehicle.

Every answer carries `Date` by the product's own clock: a car without trusted time takes it.
"""

import os
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import Any

import structlog
from django.core.asgi import get_asgi_application
from django.db import DatabaseError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.edge")
_django = get_asgi_application()

from billing import clock  # noqa: E402 -- Django is to be set up first
from fleet import snapshots  # noqa: E402
from fleet.api import check  # noqa: E402

Message = Any  # ASGI messages are dictionaries that each server types in its own way.
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHECK = "/vehicle/v1/entitlement"
log = structlog.get_logger()


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http":
        dated = _dated(send)
        if scope["path"] == CHECK and scope["method"] == "GET":
            await _check(scope, dated)
        else:
            await _django(scope, receive, dated)


async def _check(scope: Message, send: Send) -> None:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    try:
        answer = await check.answer(headers, now=int(clock.unix()))
    except DatabaseError:
        log.exception("nothing_to_answer_from")
        answer = check.away()
    raw = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.status != 304:
        raw.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})


def _dated(send: Send) -> Send:
    async def send_dated(message: Message) -> None:
        if message["type"] == "http.response.start":
            date = formatdate(clock.unix(), usegmt=True).encode()
            message["headers"] = [*message.get("headers", []), (b"date", date)]
        await send(message)

    return send_dated


async def _live(receive: Receive, send: Send) -> None:
    """Nothing is to be opened: connections are made by the first who needs one."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await snapshots.close()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
