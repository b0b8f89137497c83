"""What cars cost that wait at one edge: memory for each, and the wake-up of one among many."""

import contextlib
import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.cars import Fleet
from bench.connections import ADDRESSES, allowed
from bench.ground import CHECK, Ground, Served
from bench.wanted import Wanted
from billing import clock, queries
from fleet import access, credentials, snapshots
from fleet.packing import Snapshot

SITE = "small"
FEW, MANY = 100, 10_000
WOKEN = 300  # cars, one after the other
WAIT = 50
PATIENCE = 10.0
DAY = 86_400


@dataclass
class Waiter:
    """A car on a connection of its own, which is held."""

    line: socket.socket
    token: str
    snapshot: Snapshot

    def wait(self) -> None:
        """Ask to be held with what it has now."""
        tag = access.check(self.snapshot, queries.catalog(), now=int(clock.unix())).etag
        head = f"GET {CHECK} HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {self.token}\r\n"
        self.line.sendall(f"{head}If-None-Match: {tag}\r\nPrefer: wait={WAIT}\r\n\r\n".encode())

    def is_woken(self) -> float:
        """Change what it is told; return the seconds until its answer is there."""
        newer = self.snapshot._replace(version=self.snapshot.version + 1)
        began = time.perf_counter()
        snapshots.write(SITE, [newer])
        answer = self.line.recv(65_536)
        took = time.perf_counter() - began
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"A car that was woken was told {answer[:60]!r}.")
        self.snapshot = newer
        return took


def table(ground: Ground, wanted: Wanted) -> Iterator[str]:
    """Measure, and tell."""
    fleet = Fleet(int(clock.unix()))
    many = min(MANY, allowed())
    few_took: list[float] = []
    many_took: list[float] = []
    bytes_each = 0.0
    for _ in range(wanted.rounds):
        few_took.append(_round(ground, fleet, FEW)[0])
        median, bytes_each = _round(ground, fleet, many)
        many_took.append(median)
    ratio = statistics.median(b / a for a, b in zip(few_took, many_took, strict=True))
    yield "\nCars that wait at one edge (Prefer: wait)"
    yield f"  memory of the edge for each of {many:,}    {bytes_each / 1024:.1f} KB"
    for name, took in ((FEW, few_took), (many, many_took)):
        yield f"  wake-up of one among {name:>6,}, median  {statistics.median(took) * 1e6:.0f} us"
    yield f"  ratio                                  {ratio:.2f}"


def _round(ground: Ground, fleet: Fleet, count: int) -> tuple[float, float]:
    """The median seconds of a wake-up among so many, and bytes for each that waits."""
    with ground.valkey(SITE) as valkey:
        valkey.flushall()
    fleet.store(ground, SITE, range(1, count + 1))
    edge = ground.edge(SITE)
    with contextlib.ExitStack() as stack:
        # What the process needs once is there after the first; the rest is for each car, with what
        # the edge remembers of it.
        waiters = [_connected(stack, edge, fleet, 1)]
        time.sleep(1)
        before = edge.memory
        waiters += [_connected(stack, edge, fleet, n) for n in range(2, count + 1)]
        time.sleep(1)
        bytes_each = (edge.memory - before) / count
        took = []
        for at in range(WOKEN):
            one = waiters[at * 7919 % count]
            took.append(one.is_woken())
            one.wait()
    edge.stop()
    return statistics.median(took), bytes_each


def _connected(stack: contextlib.ExitStack, edge: Served, fleet: Fleet, number: int) -> Waiter:
    line = stack.enter_context(socket.socket())
    line.settimeout(PATIENCE)
    line.bind((ADDRESSES[number % len(ADDRESSES)], 0))
    host, port = edge.address.removeprefix("http://").split(":")
    line.connect((host, int(port)))
    token = credentials.issue(fleet.vehicle(number), fleet.now + DAY)
    waiter = Waiter(line, token, fleet.snapshot(number))
    waiter.wait()
    return waiter
