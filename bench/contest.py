"""Side by side: the check and what else could answer it, in alternating rounds."""

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from bench import effort
from bench.cars import Fleet, spread
from bench.ground import CHECK, LOAD, Ground
from bench.load import Shot, fire
from bench.rivals import nginx
from fleet import heard

ASKED = 100_000  # vehicles, each with its own token
OURS = ("304", "forgotten")  # an edge each
WRITING = 30.0  # seconds for what is noted a minute after the first car
NOOP = "bench.rivals.noop:application"
UNCHANGED = "bench.rivals.noop:unchanged"
NAIVE = "bench.rivals.naive:application"
# One process for one core; four threads, as `make run` gives the site's.
GTHREAD = ("--worker-class", "gthread", "--workers", "1", "--threads", "4", "--keep-alive", "75")


@dataclass(frozen=True)
class Contender:
    """Something that answers, what it is asked, and what it is to answer."""

    name: str
    label: str
    url: str
    asks: Path
    status: int


def contenders(ground: Ground, fleet: Fleet, total: int) -> Iterator[Contender]:
    """Start them, one after the other; who cannot be started is told of and left out."""
    cars = spread(total, ASKED)
    held = fleet.requests(ground.folder / "held", cars, tags=True)
    bare = fleet.requests(ground.folder / "bare", cars, tags=False)
    fleet.store_for_rivals(ground, "million", cars)
    if shutil.which("nginx") is None:
        say = "nginx is not installed; its row is left out. To have it: apt install nginx-light"
        print(say, file=sys.stderr, flush=True)
    else:
        url = nginx.start(ground)
        yield Contender("nginx", "nginx, a fixed body (the machine's limit)", url, held, 200)
    noop = ground.edge("million", NOOP)
    yield Contender("noop", "an ASGI endpoint that does nothing", noop.url, held, 200)
    least = ground.edge("million", UNCHANGED)
    yield Contender("unchanged", "one that answers 304 without a header", least.url, held, 304)
    edge = ground.edge("million")
    yield Contender("304", "**the check, 304**", edge.url, held, 304)
    unknown = ground.edge("million", REMEMBERED_CARS="1000")
    yield Contender(
        "forgotten", "the check, 304, cars that the process has forgotten", unknown.url, held, 304
    )
    yield Contender("200", "the check, 200 with a freshly signed lease", edge.url, bare, 200)
    naive = ground.edge("million", NAIVE)
    yield Contender("naive", "ASGI and `redis.asyncio`, a question each", naive.url, held, 200)
    drf = ground.gunicorn("million", *GTHREAD)
    yield Contender("redis", "a DRF view over Redis", f"{drf.address}/redis", held, 200)
    yield Contender("postgres", "a DRF view over PostgreSQL", f"{drf.address}/postgres", held, 200)


def ready(who: list[Contender], seconds: float) -> float:
    """Have each meet its cars; return the work for a car that is noted, in microseconds."""
    for each in who:
        warm(each.url, each.asks, seconds=seconds, status=each.status)
    return noted() / (len(OURS) * ASKED) * 1e6


def noted() -> float:
    """Wait until edges have noted the cars that they met, once an hour; the work, in seconds."""
    before = effort.spent().all
    time.sleep(heard.EVERY + WRITING)
    return effort.spent().all - before


def rounds(who: list[Contender], count: int, seconds: float) -> Iterator[tuple[str, Shot]]:
    """Ask each in turn, round after round."""
    for number in range(count):
        # To and fro: who comes last in one round comes first in the next.
        for each in who[:: -1 if number % 2 else 1]:
            _see(each)
            shot = fire(each.url, each.asks, core=LOAD, seconds=seconds, first=number * 31_000)
            yield each.name, judged(shot, each.label)


def warm(url: str, asks: Path, *, seconds: float, status: int = 304) -> None:
    """Ask until nothing is new any more; the first of all answers slowly, whoever it is."""
    asked = 0
    for _ in range(10 if status == 304 else 1):
        asked += fire(url, asks, core=LOAD, seconds=seconds, first=asked).requests
        if asked >= ASKED:
            return


def judged(shot: Shot, what: str) -> Shot:
    """The same, if it can count: what was refused or broken was not answered."""
    if shot.refused or shot.broken:
        raise RuntimeError(f"{what}: {shot.refused} refused and {shot.broken} broken: {shot}")
    return shot


def _see(each: Contender) -> None:
    """Ask a few by hand: it is not enough that something is answered."""
    with each.asks.open() as lines:
        for line, _ in zip(lines, range(5), strict=False):
            token, _, tag = line.rstrip("\n").partition("\t")
            headers = {"Authorization": f"Bearer {token}"}
            if tag:
                headers["If-None-Match"] = tag
            answer = requests.get(each.url, headers=headers, timeout=10)
            if answer.status_code != each.status:
                raise RuntimeError(f"{each.label}: {answer.status_code} {answer.text}")
            if each.url.endswith(CHECK) and each.name == "200" and not answer.json()["lease"]:
                raise RuntimeError(f"{each.label}: no lease in {answer.text}")
