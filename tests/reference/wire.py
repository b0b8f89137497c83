"""The real edge with its real HTTP, in this process: so that a test can hold its clock."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn
from uvicorn.server import ServerState

from connectivity import edge
from connectivity.guarded import Guarded


@dataclass(frozen=True)
class Said:
    """An answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Line:
    """A connection that is kept alive, for one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def ask(self, **headers: str) -> Said:
        """Make the check."""
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        head = f"GET /vehicle/v1/entitlement HTTP/1.1\r\nhost: x\r\n{''.join(lines)}\r\n"
        self.writer.write(head.encode())
        first, *rest = (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()[:-1]
        told = dict(line.split(": ", 1) for line in rest)
        assert len(told) == len(rest), "each header is there once"
        body = await self._reader.readexactly(int(told.get("content-length", 0)))
        return Said(int(first.split()[1]), told, body)


@contextlib.asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, lines: int) -> AsyncIterator[list[Line]]:
    """Serve the edge, and hold so many connections to it."""
    monkeypatch.setattr(edge, "_counter", None)
    config = uvicorn.Config(
        edge.application,
        http=Guarded,
        lifespan="off",
        ws="none",
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
    )
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    server = await loop.create_server(
        lambda: Guarded(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    held = [Line(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(lines)]
    try:
        yield held
    finally:
        for line in held:
            line.writer.close()
            await line.writer.wait_closed()
        server.close()
        await server.wait_closed()
        if edge._counter is not None:
            await edge._counter.desk.close()
