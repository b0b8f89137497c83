"""The proof at a fleet's end: who has what the service says, and who is named for what."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.car import keys
from sandbox.car.driver import Driver, World
from sandbox.car.habits import Habits
from sandbox.car.journal import Journal
from sandbox.car.proof import Proof, Prover
from sandbox.car.storage import Storage
from sandbox.car.wire import Wire, dial
from tests.unit.car.edge_double import AUDIENCE, EdgeDouble, serving

VIN = "5YJ3E1EA0KF000316"


class Fleet:
    """One car of a fleet, its edge, and who proves."""

    def __init__(self, folder: Path, edge: EdgeDouble, wire: Wire, habits: Habits) -> None:
        self.edge, self.wire = edge, wire
        self.storage = Storage(folder)
        key = self.storage.enrol([VIN], keys.new_key)[VIN]
        edge.public_key = Ed25519PrivateKey.from_private_bytes(key).public_key()
        self.journal = Journal.at(folder / "journal")
        world = World(
            audience=AUDIENCE,
            storage=self.storage,
            true=time.time,
            began_at=time.time(),
            patience=0,
            spell=0.05,
            journal=self.journal,
            starting=asyncio.Semaphore(1),
        )
        self.driver = Driver(VIN, key, habits, wire, world)

    async def drive(self) -> None:
        """The car has its first turn, and is switched off."""
        self.driver.begin(seed=1)
        await self.driver.begun()
        await self.driver.end()

    async def proof(self) -> Proof:
        proof = Proof()
        await Prover(self.wire, AUDIENCE, proof, pause=0).judge([self.driver])
        return proof

    async def reasons(self) -> str:
        """What is said of the car, which nobody switches on again before."""
        prover = Prover(self.wire, AUDIENCE, Proof())
        prover.tries = 0
        await prover.judge([self.driver])
        return "; ".join(prover.proof.wrong[VIN])

    def tamper(self, **changes: Any) -> None:
        """The car's memory is another from now on."""
        notebook = self.driver.car._notebook
        notebook.memory = dataclasses.replace(notebook.memory, **changes)


@contextlib.asynccontextmanager
async def fleet(folder: Path, habits: Habits) -> AsyncIterator[Fleet]:
    async with serving(EdgeDouble(VIN)) as edge, dial(edge.url, connections=4) as wire:
        here = Fleet(folder, edge, wire, habits)
        try:
            yield here
        finally:
            here.journal.close()
            here.storage.close()


def drive(folder: Path, journey: Callable[[Fleet], Any], habits: Habits | None = None) -> None:
    async def whole() -> None:
        async with fleet(folder, habits or Habits()) as here:
            await journey(here)

    asyncio.run(whole())


def test_a_car_that_has_what_it_should_is_left_alone(tmp_path: Path) -> None:
    async def journey(here: Fleet) -> None:
        here.edge.give_premium()
        await here.drive()
        proof = await here.proof()
        assert (proof.as_they_stood, proof.good, proof.wrong) == (1, 1, {})
        assert here.edge.reports[-1]["result"] == "applied"

    drive(tmp_path, journey)


def test_a_car_that_is_behind_is_named_unless_it_catches_up(tmp_path: Path) -> None:
    async def journey(here: Fleet) -> None:
        await here.drive()
        here.edge.give_premium()
        reasons = await here.reasons()
        assert "it holds 1.1 and should 2.1" in reasons
        assert "its lease grants () and should grant" in reasons
        assert "it is standard and should be premium" in reasons
        proof = await here.proof()
        assert (proof.as_they_stood, proof.after_a_turn, proof.wrong) == (0, 1, {})

    drive(tmp_path, journey)


def test_what_went_backwards_is_never_forgiven(tmp_path: Path) -> None:
    async def journey(here: Fleet) -> None:
        here.edge.version = 5
        await here.drive()
        here.edge.version = 3
        await here.driver.drive_once()
        proof = await here.proof()
        assert "was told 3.1 after 5.1" in proof.wrong[VIN][0]

    drive(tmp_path, journey)


def test_a_lease_is_held_against_the_keys_that_are_published_now(tmp_path: Path) -> None:
    async def journey(here: Fleet) -> None:
        await here.drive()
        token = here.driver.car.memory.lease
        here.tamper(lease=token[:-8] + "AAAAAAAA")
        assert "its lease is wrong: lease_" in await here.reasons()

    drive(tmp_path, journey)


def test_a_report_that_was_not_taken_counts(tmp_path: Path) -> None:
    async def journey(here: Fleet) -> None:
        here.edge.refuse("report", 503)
        await here.drive()
        assert await here.reasons() == "its report was not taken"

    drive(tmp_path, journey)


def test_a_bad_key_is_refused_and_says_so(tmp_path: Path) -> None:
    async def journey(here: Fleet) -> None:
        await here.drive()
        proof = await here.proof()
        assert (proof.refused, proof.wrong) == (1, {})
        assert here.driver.car.memory.problem == "invalid_grant (400)"

    drive(tmp_path, journey, Habits(forged=True, waits=False))


def test_a_bad_key_that_is_let_in_is_named(tmp_path: Path) -> None:
    async def journey(here: Fleet) -> None:
        here.edge.public_key = None
        await here.drive()
        reasons = "; ".join((await here.proof()).wrong[VIN])
        assert "its key is not its own, and it got a token" in reasons
        assert "its key is not its own, and it was told something" in reasons

    drive(tmp_path, journey, Habits(forged=True, waits=False))


def test_a_car_is_restarted_with_what_its_storage_held_and_the_journal_says_when(
    tmp_path: Path,
) -> None:
    habits = Habits(sleeps=True, tunnels=True, restarts=True, worn=True)

    async def journey(here: Fleet) -> None:
        here.driver.begin(seed=1)
        async with asyncio.timeout(10):
            while here.driver.starts < 8:  # noqa: ASYNC110 -- the car drives beside us
                await asyncio.sleep(0.01)
        here.edge.give_premium()
        await here.driver.end()
        assert here.driver.error is None
        assert (await here.proof()).good == 1
        here.journal.close()
        lines = (tmp_path / "journal").read_text().splitlines()
        assert '"version": 0' in lines[0]
        assert '"free_since": null' in "".join(lines)
        assert sum('"last": true' in line for line in lines) == 1

    drive(tmp_path, journey, habits)
