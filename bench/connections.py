"""What many connections cost: answers a second over 64, 1,000 and 10,000, and memory when idle."""

import contextlib
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from bench import contest
from bench.ground import CHECK, LOAD, Ground, Served
from bench.load import Shot, fire

COUNTS = (64, 1_000, 10_000)
IDLE = 10_000
SPARE = 200
# A connection is named by both its ends: from one address there are 28,000 at most.
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")


def allowed() -> int:
    """How many connections this process and those that it starts may have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE


def rounds(
    pair: list[contest.Contender], count: int, seconds: float
) -> Iterator[tuple[str, int, Shot]]:
    """Ask the no-op endpoint and the check over so many connections, in turns."""
    for _ in range(count):
        for connections in COUNTS:
            if connections > allowed():
                continue
            for each in pair:
                longer = seconds * 2 if connections >= IDLE else seconds
                yield (
                    each.name,
                    connections,
                    fire(each.url, each.asks, core=LOAD, seconds=longer, connections=connections),
                )


def idle(ground: Ground, asks: Path, seconds: float) -> tuple[int, float]:
    """How many cars stayed connected after their answer, and bytes of the edge for each."""
    edge = ground.edge("million")
    fire(edge.url, asks, core=LOAD, seconds=seconds)
    time.sleep(1)
    before, others = edge.memory, _open(edge)
    with asks.open() as lines:
        token, _, tag = lines.readline().rstrip("\n").partition("\t")
    head = f"GET {CHECK} HTTP/1.1\r\nHost: edge\r\nAuthorization: Bearer {token}\r\n"
    request = f"{head}If-None-Match: {tag}\r\n\r\n".encode()
    where = urlsplit(edge.url)
    with contextlib.ExitStack() as stack:
        for number in range(min(IDLE, allowed())):
            line = stack.enter_context(socket.socket())
            line.bind((ADDRESSES[number % len(ADDRESSES)], 0))
            line.connect((where.hostname, where.port))
            line.sendall(request)
            if not line.recv(4096).startswith(b"HTTP/1.1 304"):
                raise RuntimeError(f"Idle connection {number} was not answered 304.")
        time.sleep(1)
        held = _open(edge) - others
        taken = edge.memory - before
    edge.stop()
    return held, taken / held


def _open(edge: Served) -> int:
    """How many files and connections it has open."""
    return len(list(Path(f"/proc/{edge.process.pid}/fd").iterdir()))
