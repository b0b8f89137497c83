"""Plain ASGI that asks Redis once for each request, through redis.asyncio, and answers in JSON.

There is no framework in its way; it is the same server, with the same options, as the edge's.
"""

import json
import os
from typing import Any

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connectivity.settings.edge")
django.setup()

import redis.asyncio  # noqa: E402 -- Django is to be set up first

from bench.rivals.stored import KEY, shown, url  # noqa: E402
from billing import clock  # noqa: E402
from fleet import credentials  # noqa: E402

_redis: Any = redis.asyncio.Redis.from_url(url(settings.SITES[settings.SITE]))


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Tell a car what it may do now."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    status, body = await _answer(dict(scope["headers"]))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer(headers: dict[bytes, bytes]) -> tuple[int, bytes]:
    now = int(clock.unix())
    try:
        token = credentials.read_header(headers.get(b"authorization", b"").decode(), now=now)
    except credentials.TokenInvalid:
        return 401, b'{"detail": "token invalid"}'
    value = await _redis.get(KEY + token.vehicle_id.hex)
    if value is None:
        return 404, b'{"detail": "unknown"}'
    return 200, json.dumps(shown(json.loads(value), now)).encode()
