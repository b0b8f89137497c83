"""The least that an ASGI application can do: it shows what the server itself costs."""

from typing import Any

_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")],
}
_BODY = {"type": "http.response.body", "body": b"ok"}
_UNCHANGED = {"type": "http.response.start", "status": 304, "headers": []}
_NOTHING = {"type": "http.response.body", "body": b""}


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Say ok."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        await send(_START)
        await send(_BODY)


async def unchanged(scope: Any, receive: Any, send: Any) -> None:
    """Say even less: 304, without any header."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        await send(_UNCHANGED)
        await send(_NOTHING)


async def _live(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
