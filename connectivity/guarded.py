"""The edge's HTTP: uvicorn's protocol on its fast parser, which by itself bounds nothing.

It decides how much a connection may send, and how long it may take, before a request is complete;
who overdoes it is told so as a car is told everything, and the connection is closed. It must never
know what is asked. A request that arrives whole, as all do, costs no timer here.
"""

import asyncio
import json
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from billing import clock

HEAD = 65_536  # bytes of a request line with its headers
REQUEST = 8 * HEAD  # bytes of a whole request on the wire: chunks of one byte are six
SECONDS = 10.0  # for a head to come in
TITLES = {
    HTTPStatus.BAD_REQUEST: ("bad-request", "The request could not be read."),
    HTTPStatus.REQUEST_TIMEOUT: ("too-slow", "The request did not come within 10 seconds."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("head-too-large", "The headers are too large."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too-large", "The request is too large."),
}


class Guarded(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._taken = 0  # bytes of the present request, as far as it came in parts
        self._in_head = True
        self._timer: asyncio.TimerHandle | None = None
        self.over: Callable[[], None] | None = None  # for who holds a request: see `watch`

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._unset_timer()
        super().connection_lost(exc)
        self._end()

    def shutdown(self) -> None:
        """The server is to end: what is held is to be answered now."""
        super().shutdown()
        self._end()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head = True
        self._taken = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is complete."""
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Take what has come, if it is not too much."""
        before = self.cycle
        super().data_received(data)
        if self._in_head:
            self._count(len(data), HEAD, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            if self._timer is None:
                self._timer = self.loop.call_later(SECONDS, self._late)
            return
        if self._timer is not None:
            self._unset_timer()
        if self.cycle is before:
            self._count(len(data), REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._taken = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- uvicorn's signature and words
        """Refuse what is no HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _count(self, length: int, most: int, status: HTTPStatus) -> None:
        self._taken += length
        if self._taken > most and not self.transport.is_closing():
            self._refuse(status)

    def _late(self) -> None:
        self._timer = None
        if self._in_head and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Say why, unless an answer is under way, and hang up."""
        if self.cycle is None or self.cycle.response_complete:
            code, detail = TITLES[status]
            document = {
                "type": f"urn:premium-connectivity:problem:{code}",
                "title": status.phrase,
                "status": int(status),
                "detail": detail,
            }
            body = json.dumps(document).encode()
            head = (
                f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
                f"date: {formatdate(clock.unix(), usegmt=True)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()

    def _end(self) -> None:
        over, self.over = self.over, None
        if over is not None:
            over()

    def _unset_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def watch(send: Any, over: Callable[[], None] | None) -> None:
    """Call `over` once nobody waits for the answer any more, or the server is to end.

    `send` is the one of an ASGI request; None ends it. On another server a hold ends with its time.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is RequestResponseCycle:
        connection: Any = cycle.on_response
        connection.__self__.over = over


def tell(send: Any, status: int, head: bytes, body: bytes) -> bool:
    """Write a whole answer at once, its headers as they are, if nothing is out of the way.

    `send` is the one of an ASGI request. False: nothing was done, send it as any other server
    wants it. What is saved are two messages, and a look at each of our own headers.
    """
    cycle = getattr(send, "__self__", None)
    if (
        type(cycle) is not RequestResponseCycle
        or not cycle.keep_alive
        or cycle.response_started
        or cycle.disconnected
        or cycle.flow.write_paused
        or (body and cycle.scope["method"] == "HEAD")
    ):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"%s%s\r\n%s" % (STATUS_LINE[status], head, body))
    cycle.message_event.set()
    cycle.on_response()
    return True
