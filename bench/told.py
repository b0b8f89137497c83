"""How long it takes from a webhook of Stripe's until the car has what was paid for.

A thousand cars wait at the edge (`Prefer: wait`), and renewals come in at several speeds: the event
that says `invoice.paid`, each for another car. What is timed is from the moment at which the event
is sent to the moment at which the car has read a document with a later end.
"""

import asyncio
import contextlib
import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import redis
from django.conf import settings

from bench import renewals
from bench.posting import post
from billing import clock
from fleet import credentials
from fleet.models import Vehicle
from tests.reference.wire import Line
from tests.running import Run, soon

CARS = 1_000
WAIT = 50
SPEEDS = (50.0, 100.0, 200.0, 400.0)  # events a second
PATIENCE = 90.0  # seconds after which a car that was not told counts as lost
AWAY = 60.0  # seconds without a worker
CUT = ("ACL", "SETUSER", "default", "resetchannels")
MENDED = ("ACL", "SETUSER", "default", "allchannels")
YEAR = 366 * 86_400


@dataclass
class Road:
    """Cars that wait, and when each was told of a new version."""

    cars: Sequence[uuid.UUID]
    port: int
    told: dict[uuid.UUID, float] = field(default_factory=dict)
    ready: int = 0
    over: bool = False
    broken: list[Exception] = field(default_factory=list)

    @classmethod
    @contextlib.contextmanager
    def driven(cls, cars: Sequence[uuid.UUID], port: int) -> Iterator["Road"]:
        """Have all of them wait, in a thread that ends with the block, however that ends."""
        road = cls(cars, port)
        road._thread.start()
        try:
            yield road
        finally:
            road.over = True
            road._thread.join()
        if road.broken:
            raise RuntimeError(f"{len(road.broken)} cars broke down, one by {road.broken[0]!r}")

    def end(self) -> None:
        """Return when each was told, or their patience is over."""
        self._thread.join(PATIENCE)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._drive()))

    async def _drive(self) -> None:
        vehicles = await asyncio.to_thread(Vehicle.objects.in_bulk, list(self.cars))
        expires = int(clock.unix()) + YEAR
        tokens = {car: credentials.issue(vehicles[car], expires) for car in self.cars}
        waiting = [asyncio.create_task(self._wait(car, tokens[car])) for car in self.cars]
        while not self.over and len(self.told) < len(self.cars):  # noqa: ASYNC110 -- see `over`
            await asyncio.sleep(0.05)
        for each in waiting:
            each.cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        self.broken = [each for each in ends if isinstance(each, Exception)]

    async def _wait(self, car: uuid.UUID, token: str) -> None:
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port))
        bearer = {"Authorization": f"Bearer {token}"}
        tag = (await line.ask(**bearer)).headers["etag"]
        self.ready += 1
        while True:
            said = await line.ask(**bearer, If_None_Match=tag, Prefer=f"wait={WAIT}")
            if said.status == 200:
                self.told[car] = time.monotonic()
                return
            if said.status != 304:
                raise RuntimeError(f"A car that waits was answered {said.status}.")


def table(run: Run, rounds: int) -> Iterator[str]:
    """Measure at each speed, then without the wake-up, then without a worker."""
    originals = renewals.originals(run)
    paid = [_payment(original) for original in originals]
    first = 0
    yield f"\nFrom a webhook to the car: {CARS:,} cars wait, each is renewed once"
    yield f"  {'events a second':<34}{'median':>10}{'99 of 100':>12}{'slowest':>10}{'lost':>6}"
    for speed in SPEEDS:
        for _ in range(rounds if speed == SPEEDS[0] else 1):
            times = _told(run, originals, paid, first, speed)
            first += CARS
            yield _line(f"{speed:g}", times)
    with redis.Redis.from_url(settings.SITES[settings.SITE]) as site:
        site.execute_command(*CUT)
        yield _line("50, the wake-up cut off", _told(run, originals, paid, first, SPEEDS[0]))
        site.execute_command(*MENDED)
    first += CARS
    times = _without_worker(run, originals, paid, first)
    yield _line(f"50, after {AWAY:g} s without a worker", times)


def _line(name: str, times: list[float]) -> str:
    ordered = sorted(times)
    lost = CARS - len(ordered)
    if not ordered:
        return f"  {name:<34}{'nobody was told':>38}{lost:>6}"
    figures = (ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1])
    median, most, slowest = (f"{each * 1000:,.0f} ms" for each in figures)
    return f"  {name:<34}{median:>10}{most:>12}{slowest:>10}{lost:>6}"


def _payment(original: renewals.Original) -> str:
    [found] = [each for each in original.events if json.loads(each)["type"] == "invoice.paid"]
    return found


def _told(
    run: Run, originals: list[renewals.Original], paid: list[str], first: int, speed: float
) -> list[float]:
    """Seconds from each event to its car."""
    with _waiting(run, originals, paid, first) as (road, events):
        sent = _send(run, [*events.values()], speed)
        road.end()
    return [at - sent[events[car].encode()] for car, at in road.told.items()]


def _without_worker(
    run: Run, originals: list[renewals.Original], paid: list[str], first: int
) -> list[float]:
    """Seconds from the worker's return to each car, with all messages to it lost meanwhile."""
    with _waiting(run, originals, paid, first) as (road, events):
        workers = _workers(run)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        sent = _send(run, [*events.values()], SPEEDS[0])
        time.sleep(max(0.0, AWAY - (time.monotonic() - min(sent.values()))))
        if road.told:
            raise RuntimeError("Somebody was told without a worker.")
        # The broker's own redelivery has nothing to bring: only the sweep's rows are left.
        with redis.Redis.from_url(_as_redis_takes_it(settings.CELERY_BROKER_URL)) as broker:
            broker.flushall()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        back = _back(run, set(workers))
        road.end()
    return [at - back for at in road.told.values()]


def _back(run: Run, before: set[int]) -> float:
    """When another worker has been started in the place of the one that was killed."""
    if not soon(lambda: set(_workers(run)) - before):
        raise RuntimeError("No worker comes back.")
    return time.monotonic()


def _as_redis_takes_it(celery_url: str) -> str:
    """See connectivity.local.valkey.celery_url: Celery has a scheme of its own for sockets."""
    return celery_url.replace("redis+socket://", "unix://", 1)


@contextlib.contextmanager
def _waiting(
    run: Run, originals: list[renewals.Original], paid: list[str], first: int
) -> Iterator[tuple[Road, dict[uuid.UUID, str]]]:
    """Cars that wait already, and the event that is to come for each."""
    numbers = range(first, first + CARS)
    cars = renewals.copy(run, originals, numbers)
    with Road.driven(cars, urlsplit(run.url("EDGE_PORT", "")).port or 0) as road:
        if not soon(lambda: road.ready == CARS):
            raise RuntimeError("The cars do not come to wait.")
        time.sleep(2)
        bodies = [renewals.numbered(paid[number % len(paid)], number) for number in numbers]
        yield road, dict(zip(cars, bodies, strict=True))


def _send(run: Run, events: list[str], speed: float) -> dict[bytes, float]:
    secret = os.environ["STRIPE_WEBHOOK_SECRETS"].split(",")[0]
    groups = ([event] for event in events)
    url = f"{run.web}/billing/webhook/"
    posted = post(url, secret, groups, for_seconds=600, a_second=speed)
    if posted.refused:
        raise RuntimeError(f"{len(posted.refused)} events were refused: {posted.refused[:3]}")
    return posted.sent


def _workers(run: Run) -> list[int]:
    """The worker's processes: what `make run` started, and its pool."""
    mark = f"APP_DATA_DIR={run.data_dir}\0".encode()
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and _is_worker(folder, mark)
    ]


def _is_worker(folder: Path, mark: bytes) -> bool:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
        ours = mark in (folder / "environ").read_bytes()
    except OSError:
        return False
    return ours and b"celery" in words and b"worker" in words
