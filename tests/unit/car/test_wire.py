"""What a car makes of an edge that is silent, slow, rude or gone."""

import asyncio
import time

import pytest
from aiohttp import web

from sandbox.car.answers import Kind, SetbackError
from sandbox.car.wire import Wire, dial


def meet(handler, call) -> object:
    """What `call` makes of one connection that is handled so."""

    async def whole() -> object:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, dial(f"http://127.0.0.1:{port}", connections=1) as wire:
            return await call(wire)

    return asyncio.run(whole())


def saying(text: bytes):
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        writer.close()
        await writer.wait_closed()

    return handler


async def ask_keys(wire: Wire) -> object:
    return await wire.keys()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000,
    ],
)
def test_what_is_no_whole_answer_counts_as_silence(text):
    with pytest.raises(SetbackError) as caught:
        meet(saying(text), ask_keys)
    assert caught.value.kind is Kind.SILENT


def test_a_redirect_is_not_followed():
    text = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    answer = meet(saying(text), ask_keys)
    assert getattr(answer, "status", None) == 302


def test_nobody_at_the_port_is_silence():
    async def whole() -> None:
        async with dial("http://127.0.0.1:9", connections=1) as wire:
            await wire.check("t", "")

    with pytest.raises(SetbackError, match="cannot be reached"):
        asyncio.run(whole())


def test_calls_share_the_lines_and_each_is_counted_by_its_own_time():
    counted: list[tuple[str, int | None, float]] = []

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.05)
        return web.json_response({"keys": []})

    async def whole() -> float:
        app = web.Application()
        app.router.add_get("/vehicle/v1/keys", slow)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"

        def tally(call: str, status: int | None, seconds: float) -> None:
            counted.append((call, status, seconds))

        started = time.perf_counter()
        async with dial(url, connections=1, tally=tally) as wire:
            await asyncio.gather(*(wire.keys() for _ in range(4)))
        took = time.perf_counter() - started
        await runner.cleanup()
        return took

    took = asyncio.run(whole())
    assert [(call, status) for call, status, _ in counted] == [("keys", 200)] * 4
    # One after the other, each counted from its own start: together they fill the whole time.
    assert sum(seconds for _, _, seconds in counted) <= took
