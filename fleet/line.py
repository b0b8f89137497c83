"""One connection to the site's Valkey, on which all that is asked in one loop turn goes out as one.

It must never know what is asked. Only the parser and the packer of hiredis stand between the socket
and the answers: a client library costs several times what the question itself does. A round is sent
once and answered in order; if an answer is late the connection is given up, all rounds on it are
told that the site is away, and so is every other at once, until a new connection has answered.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
import structlog

log = structlog.get_logger()
TIMEOUT = 1.0  # seconds for a round, and for a connection
PAUSE = 1.0  # seconds between two attempts to connect
Command = tuple[bytes | str | int, ...]


def pack(*words: bytes | str | int) -> bytes:
    """A command as it goes over the wire."""
    return bytes(hiredis.pack_command(cast(Any, words)))


class Shared(asyncio.Future[None]):
    """What many tasks wait for: one of them that is cancelled takes nothing from the others."""

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002 -- asyncio's signature
        """Go on."""
        return False


class Round:
    """Commands that go out together; once `done`, `replies` holds one for each, unless `away`."""

    __slots__ = ("away", "commands", "done", "replies", "timer", "told")

    def __init__(self, loop: asyncio.AbstractEventLoop, commands: list[bytes]) -> None:
        self.commands = commands
        self.replies: list[Any] = []
        self.away = False
        self.told: Any = None  # what whoever reads the replies makes of them for all
        self.done = Shared(loop=loop)
        self.timer: asyncio.TimerHandle | None = None

    def end(self, *, away: bool = False) -> None:
        """Wake all who wait."""
        self.away = away
        if self.timer is not None:
            self.timer.cancel()
        if not self.done.done():
            self.done.set_result(None)


class Line(asyncio.Protocol):
    """The connection itself."""

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._reader = hiredis.Reader()
        self._waiting: deque[Round] = deque()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what is written to."""
        self._transport = transport

    def send(self, round_: Round) -> None:
        """Send a round."""
        self._waiting.append(round_)
        round_.timer = self._site.loop.call_later(TIMEOUT, self._late)
        self._transport.write(b"".join(round_.commands))

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        try:
            self._reader.feed(data)
            self.hand_out()
        except hiredis.ProtocolError as error:
            log.warning("site_speaks_nonsense", error=str(error))
            self.close()

    def hand_out(self) -> None:
        """Give each reply to the round that it is for."""
        reader, waiting = self._reader, self._waiting
        while waiting:
            replies = waiting[0].replies
            for _ in range(len(waiting[0].commands) - len(replies)):
                reply = reader.gets()
                if reply is False:
                    return
                replies.append(reply)
            waiting.popleft().end()

    def replies(self) -> Iterator[Any]:
        """What has come, one after the other, for whoever hands it out in another way."""
        while (reply := self._reader.gets()) is not False:
            yield reply

    def take(self, reply: Any) -> None:
        """Give the next round that waits this reply."""
        if self._waiting:
            round_ = self._waiting[0]
            round_.replies.append(reply)
            if len(round_.replies) == len(round_.commands):
                self._waiting.popleft().end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self._site.lost(self, exc)
        while self._waiting:
            self._waiting.popleft().end(away=True)

    def close(self) -> None:
        """Give it up."""
        self._transport.abort()

    def _late(self) -> None:
        log.warning("site_is_late")
        self.close()


class Site:
    """The way to a Valkey, by its URL as redis-py takes it, for one event loop.

    `greeting` is what is said on each new connection, once it has let us in.
    """

    def __init__(
        self,
        url: str,
        *,
        line: Callable[["Site"], Line] = Line,
        greeting: Sequence[Command] = (),
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._url = url
        self._new_line = line
        self._greeting = greeting
        self._line: Line | None = None
        self._held: list[Round] = []
        self._connecting: asyncio.Task[None] | None = None
        self._failed = False

    def send(self, round_: Round) -> None:
        """Send a round, now or once there is a connection; if there was none of late, end it."""
        if self._line is not None:
            self._line.send(round_)
            return
        if self._connecting is None:
            self._connecting = self.loop.create_task(self._connect())
        if self._failed:
            round_.end(away=True)
        else:
            self._held.append(round_)

    def ask(self, commands: Sequence[Command]) -> Round:
        """Send commands as a round of their own."""
        round_ = Round(self.loop, [pack(*command) for command in commands])
        self.send(round_)
        return round_

    def lost(self, line: Line, error: Exception | None) -> None:
        """A connection is gone."""
        if line is self._line:
            log.warning("site_away", error=str(error or "closed"))
            self._line = None
            self._failed = True
            self._connecting = self.loop.create_task(self._connect())

    async def close(self) -> None:
        """Let go of the connection and of the attempt to get one."""
        line, self._line = self._line, None
        if line is not None:
            line.close()
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        self._end_held()

    async def _connect(self) -> None:
        """Try until it is there; whoever waits is told after the first failure."""
        while self._line is None:
            try:
                async with asyncio.timeout(TIMEOUT):
                    line = await self._opened()
            except (OSError, ValueError, hiredis.HiredisError) as error:
                log.warning("site_away", error=f"{type(error).__name__}: {error}")
                self._failed = True
                self._end_held()
                await asyncio.sleep(PAUSE)
            else:
                self._line, self._failed = line, False
        self._connecting = None
        held, self._held = self._held, []
        for round_ in held:
            self._line.send(round_)

    def _end_held(self) -> None:
        held, self._held = self._held, []
        for round_ in held:
            round_.end(away=True)

    async def _opened(self) -> Line:
        """A connection that has let us in and answers. Raises OSError, ValueError."""
        url = urlsplit(self._url)
        line = self._new_line(self)
        if url.scheme == "unix":
            await self.loop.create_unix_connection(lambda: line, unquote(url.path))
        else:
            secure = ssl.create_default_context() if url.scheme == "rediss" else None
            where = url.hostname or "localhost", url.port or 6379
            await self.loop.create_connection(lambda: line, *where, ssl=secure)
        greeting = Round(self.loop, [pack(*each) for each in (*_greeting(url), *self._greeting)])
        line.send(greeting)
        await greeting.done
        refusal = next((each for each in greeting.replies if isinstance(each, Exception)), None)
        if greeting.away or refusal is not None:
            line.close()
            raise ConnectionError(str(refusal or "It does not answer."))
        return line


def _greeting(url: Any) -> list[Command]:
    """What is to be said first on a connection to this address."""
    said: list[Command] = []
    if url.password:
        names = [unquote(url.username)] if url.username else []
        said.append(("AUTH", *names, unquote(url.password)))
    asked = parse_qs(url.query).get("db")
    database = asked[0] if asked else url.path.strip("/") if url.scheme != "unix" else ""
    if database not in ("", "0"):
        said.append(("SELECT", database))
    return [*said, ("PING",)]
