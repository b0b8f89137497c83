"""Runs many cars in one process, shows what they see, and has proven at the end that each has what
it should; it must never know how one car decides.
"""

import asyncio
import contextlib
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit, urlunsplit

from sandbox.car import table
from sandbox.car.answers import SetbackError
from sandbox.car.config import Config
from sandbox.car.driver import Driver, World
from sandbox.car.habits import Habits
from sandbox.car.journal import Journal
from sandbox.car.proof import Proof, Prover
from sandbox.car.stopping import run_until_stopped
from sandbox.car.storage import Storage
from sandbox.car.wire import Wire, dial
from sandbox.clock import Clock

_STARTING = 40
# So many cars share an address, as they share a carrier's on a real road: the service counts
# failures by address, and one car with a bad key is not to stand in the way of a whole fleet.
_CARS_AT_AN_ADDRESS = 50
_PROVING_LINES = 50
_PROOF_LINE_EVERY = 10.0
_SPARE_FILES = 200
DEFAULT_SPELL = 30.0  # seconds
_LOOKS_EVERY = 1.0  # seconds between two looks at how far the time was moved


@dataclass(frozen=True)
class Trip:
    """How long to drive once all are on, by which lots, and where to write what the cars got."""

    seconds: float | None = None
    seed: int = 1
    journal: Path | None = None
    spell: float = DEFAULT_SPELL


class Time:
    """The time as everybody else has it; it may be moved, and is asked for very often."""

    def __init__(self, file: Path) -> None:
        self._clock = Clock(file)
        self._offset = 0.0
        self._look_at = 0.0

    def now(self) -> float:
        """Unix seconds."""
        machine = time.time()
        if machine >= self._look_at:
            self._look_at = machine + _LOOKS_EVERY
            self._offset = float(self._clock.now() - int(machine))
        return machine + self._offset


async def run(
    config: Config, private_keys: Mapping[str, bytes], trip: Trip, out: TextIO = sys.stdout
) -> bool:
    """Drives these cars for as long as the trip says, or until Ctrl-C or SIGTERM; then proves.

    Returns whether each car has what it should.
    """
    _allow_files(len(private_keys))
    tally = table.Tally(started_at=time.monotonic())
    journal, storage = Journal.at(trip.journal), Storage(config.data_dir)
    storage.reset_switches(private_keys)
    try:
        true = Time(config.clock_file).now
        world = World(
            audience=config.audience,
            storage=storage,
            true=true,
            began_at=true(),
            patience=config.patience,
            spell=trip.spell,
            journal=journal,
            starting=asyncio.Semaphore(_STARTING),
        )
        async with _wires(config.edge_url, len(private_keys), tally) as wires:
            drivers = [
                Driver(vin, key, _habits(at, vin, trip), wires[at // _CARS_AT_AN_ADDRESS], world)
                for at, (vin, key) in enumerate(private_keys.items())
            ]
            await _drive(drivers, trip, tally, out)
            out.write(table.summary(drivers, tally) + "\n")
            return await _proven(drivers, config, out)
    finally:
        journal.close()
        storage.close()


async def _drive(drivers: list[Driver], trip: Trip, tally: table.Tally, out: TextIO) -> None:
    for driver in drivers:
        driver.begin(trip.seed)
    work = [table.show(drivers, tally, out)]
    if trip.seconds is not None:
        work.append(_on_the_road(drivers, trip.seconds))
    try:
        await run_until_stopped(work)
    finally:
        await asyncio.gather(*(driver.end() for driver in drivers))


async def _on_the_road(drivers: list[Driver], seconds: float) -> None:
    await asyncio.gather(*(driver.begun() for driver in drivers))
    await asyncio.sleep(seconds)


async def _proven(drivers: list[Driver], config: Config, out: TextIO) -> bool:
    """Asks what each car should have, unless a second Ctrl-C breaks it off."""
    proof = Proof()

    async def prove() -> None:
        async with dial(_by_number(config.edge_url), connections=_PROVING_LINES) as wire:
            await Prover(wire, config.audience, proof).judge(drivers)

    try:
        await run_until_stopped([prove(), _say_how_far(proof, len(drivers), out)])
    except SetbackError as setback:
        out.write(f"Nothing is proven: {setback.words}\n")
        return False
    out.write("\n".join(proof.lines()) + "\n")
    if proof.judged < len(drivers):
        out.write(f"Broken off: {len(drivers) - proof.judged:,} cars were not asked for.\n")
    return proof.good == len(drivers)


async def _say_how_far(proof: Proof, cars: int, out: TextIO) -> None:
    while True:
        out.write(f"Asking the service what each car should have: {proof.judged:,} of {cars:,}\n")
        out.flush()
        await asyncio.sleep(_PROOF_LINE_EVERY)


def _habits(at: int, vin: str, trip: Trip) -> Habits:
    return Habits.drawn(at, random.Random(f"{trip.seed} {vin}"))


@contextlib.asynccontextmanager
async def _wires(edge_url: str, cars: int, tally: table.Tally) -> AsyncIterator[list[Wire]]:
    """A wire for each so many cars, from an address of its own if the edge is on this machine."""
    near = urlsplit(edge_url).hostname in ("localhost", "127.0.0.1")
    async with contextlib.AsyncExitStack() as stack:
        wires = []
        for number in range(-(-cars // _CARS_AT_AN_ADDRESS)):
            address = f"127.0.{1 + number // 250}.{1 + number % 250}" if near else None
            line = dial(
                _by_number(edge_url),
                connections=_CARS_AT_AN_ADDRESS,
                tally=tally.count,
                address=address,
            )
            wires.append(await stack.enter_async_context(line))
        yield wires


def _by_number(edge_url: str) -> str:
    """The same address without a name: what is bound to a number cannot be tried by IPv6."""
    parts = urlsplit(edge_url)
    if parts.hostname != "localhost":
        return edge_url
    return urlunsplit(parts._replace(netloc=f"127.0.0.1:{parts.port or 80}"))


def _allow_files(cars: int) -> None:
    """Each car that waits has a connection of its own."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = cars + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise ValueError(
            f"{cars:,} cars need {wanted:,} open files and this shell allows {hard:,}: raise it "
            "(ulimit -Hn) or drive fewer."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(_soft, wanted), hard))
