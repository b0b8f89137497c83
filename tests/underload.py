"""Cars that ask some thousand times a second while servers come and go, and what became of each.

It knows what each car may be told; what is done to the servers is decided by whoever runs it.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from billing.catalog import Catalog
from connectivity.local.process import Process
from connectivity.local.valkey import Valkey
from tests.reference import rows
from tests.reference.rows import Facts
from tests.reference.wire import Line, Said

LINES = 60
MOMENT = 0.25  # seconds in which some hundreds are answered, where all is well
BREATH = 0.03  # seconds between an answer and the next question on a line


class Site:
    """A Valkey that can be killed, stopped in its tracks, and started on what it had."""

    def __init__(self, folder: Path) -> None:
        self._server = Valkey(folder, "faulty")
        self.url = self._server.url
        self._process = Process(self._server.prepare())

    async def answers(self) -> None:
        """Wait until it answers."""
        while not self._server.ready():  # noqa: ASYNC110 -- it is a process of its own
            await asyncio.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut does, but for what it wrote."""
        self._signal(signal.SIGKILL)
        self._process._popen.wait(5)

    def start(self) -> None:
        """Start it again."""
        self._process = Process(self._server.prepare())

    def freeze(self) -> None:
        """Leave its connections open and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        self._signal(signal.SIGCONT)

    def mend(self) -> None:
        """Have it run, whatever was done to it."""
        if self._process.exit_code is None:
            self.thaw()
        else:
            self.start()

    def close(self) -> None:
        """Stop it."""
        self.mend()
        self._process.stop()
        self._server.forget()

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._process._popen.pid, number)


class Way:
    """The way to PostgreSQL, which can be cut, or held so that nothing comes through."""

    def __init__(self, port: int, loop: asyncio.AbstractEventLoop) -> None:
        self.port, self._loop = port, loop
        self._open = asyncio.Event()
        folder = unquote(urlsplit(os.environ["DATABASE_URL"]).netloc.rpartition("@")[2])
        self._socket = f"{folder}/.s.PGSQL.5432"
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @classmethod
    @contextlib.contextmanager
    def kept(cls, port: int) -> Iterator["Way"]:
        """One on this port, open at first, in a thread of its own."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        way = cls(port, loop)
        try:
            way.open()
            yield way
        finally:
            way.cut()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def open(self) -> None:
        """Let all through."""
        asyncio.run_coroutine_threadsafe(self._let(), self._loop).result(10)

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def hold(self) -> None:
        """Let nothing through."""
        self._loop.call_soon_threadsafe(self._open.clear)

    async def _let(self) -> None:
        self._open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._joined, "127.0.0.1", self.port)

    async def _cut(self) -> None:
        self._open.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:  # noqa: ASYNC110 -- they end by themselves
            await asyncio.sleep(0.01)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to, back = await asyncio.open_unix_connection(self._socket)
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._pass(reader, back), self._pass(to, writer))
        finally:
            for each in (writer, back):
                each.transport.abort()
                self._writers.discard(each)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@dataclass
class Car:
    """What a car holds, and what it may be told: the newest facts, and those before a change."""

    authorization: str
    facts: list[Facts]
    held: str = ""


@dataclass
class Counts:
    """Of a span of time: how many answers were right, refused, wrong; the longest wait."""

    right: int = 0
    refused: int = 0
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        told = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        return (
            f"{self.right} right, {self.refused} refused, {len(self.wrong)} wrong ({told}), "
            f"at most {self.slowest:.2f} s"
        )


class Load:
    """Asks on many connections at once, each time for a car by lot, with and without its tag."""

    def __init__(
        self, cars: list[Car], sold: Catalog, lines: list[Line], now: Callable[[], int]
    ) -> None:
        self.cars, self.sold = list(cars), sold
        self.counts = Counts()
        self._lines, self._now = lines, now
        self._dice = random.Random(1)

    async def during(self, seconds: float) -> Counts:
        """What is answered in this time, to questions from before it too."""
        self.counts = counts = Counts()
        await asyncio.sleep(seconds)
        return counts

    async def until_refused(self, within: float) -> Counts:
        """What is answered until somebody is refused, and a little longer."""
        self.counts = counts = Counts()
        async with asyncio.timeout(within):
            while not counts.refused:  # noqa: ASYNC110 -- it is counted elsewhere
                await asyncio.sleep(0.02)
        await asyncio.sleep(MOMENT)
        return counts

    async def well_again(self, within: float) -> float:
        """Wait until nobody was refused for a moment; return how long it took."""
        began = asyncio.get_running_loop().time()
        while (await self.during(MOMENT)).refused or not self.counts.right:
            took = asyncio.get_running_loop().time() - began
            assert took < within, f"still not well after {took:.1f} s: {self.counts}"
        return asyncio.get_running_loop().time() - began - MOMENT

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator["Load"]:
        """Ask as long as the block lasts."""
        tasks = [asyncio.create_task(self._ask(line)) for line in self._lines]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends

    async def _ask(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # One at a time: what a car holds is to be what its last answer said.
            car = self.cars.pop(self._dice.randrange(len(self.cars)))
            tag = car.held if self._dice.random() < 0.5 else ""
            given = {"if_none_match": tag} if tag else {}
            began, since = loop.time(), self._now()
            said = await line.ask(authorization=car.authorization, **given)
            self._judge(car, tag, said, range(since, self._now() + 1))
            self.counts.slowest = max(self.counts.slowest, loop.time() - began)
            self.cars.append(car)
            await asyncio.sleep(BREATH)

    def _judge(self, car: Car, tag: str, said: Said, instants: range) -> None:
        counts = self.counts
        counts.statuses[said.status] += 1
        if said.status in (429, 503):
            document = json.loads(said.body)
            good = document["status"] == said.status and int(said.headers["retry-after"]) > 0
            counts.refused += good
        else:
            good = any(self._is_right(car, facts, tag, said, instants) for facts in car.facts)
            counts.right += good
        if not good:
            counts.wrong.append(f"{said} to {car} with {tag}")

    def _is_right(self, car: Car, facts: Facts, tag: str, said: Said, instants: range) -> bool:
        """Whether it says what follows from these facts, and nothing behind what the car holds."""
        right = {rows.etag(facts, self.sold, now): now for now in instants}
        etag = said.headers.get("etag", "")
        if etag not in right or (tag and _version(tag) > facts.version):
            return False
        if said.status == 304:
            return tag == etag and not said.body
        if said.status != 200 or tag == etag:
            return False
        car.held = etag
        told, verdict = json.loads(said.body), rows.verdict(facts, self.sold, right[etag])
        return (
            told["vehicle"] == str(facts.id)
            and told["vin"] == facts.vin
            and told["version"] == facts.version
            and (told["plan"], told["reason"]) == (verdict.plan, verdict.reason)
            and told["features"] == list(verdict.features)
        )


def _version(tag: str) -> int:
    return int(tag.strip('"').split(".")[0])
