"""Does to one car of a fleet what its habits say, and keeps what it saw; it must never know what
other cars do, nor judge what the car holds.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.car import keys
from sandbox.car.car import Car
from sandbox.car.habits import Habits
from sandbox.car.journal import Journal
from sandbox.car.storage import Storage
from sandbox.car.timekeeping import Seconds
from sandbox.car.told import Told
from sandbox.car.wire import Wire

_LONGEST_NAP = 3600.0
_OFF = 0.2  # of a spell, at the most, for which a car that restarts is off


@dataclass(frozen=True)
class World:
    """What the cars of a fleet share."""

    audience: str
    storage: Storage
    true: Seconds
    began_at: float
    patience: int
    spell: float  # seconds that something lasts: a sleep, a tunnel, the time between them
    journal: Journal
    # A fleet is switched on as fast as the service answers: so many cars are in their first turn.
    starting: asyncio.Semaphore


class Driver:
    """One car of a fleet, from its first start to its last."""

    def __init__(self, vin: str, key: bytes, habits: Habits, wire: Wire, world: World) -> None:
        self.vin = vin
        self.habits = habits
        self.told = Told()
        self.starts = 0
        self.error: BaseException | None = None
        # Since when it could ask: on, awake and with signal. None: it cannot.
        self.free_since: float | None = None
        self._key = keys.new_key() if habits.forged else key
        self._wire = wire.overheard(self.told.hear)
        self._world = world
        self._off = {"off"}  # What keeps it from asking, now.
        self._called = asyncio.Event()
        self._begun = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._driving: list[asyncio.Task[None]] = []
        self._seen = (0, 0)
        self._earlier = world.storage.memory(vin)
        self._clock = habits.clock(world.true, driven_since=world.began_at)
        self.car = self._new_car()

    @property
    def state(self) -> str:
        """What there is to see of the car, in a word."""
        for word in ("off", "asleep", "no_signal"):
            if word in self._off:
                return word.replace("_", " ")
        return "waiting" if self.car.is_waiting else "awake"

    def begin(self, seed: int) -> None:
        """Has the car switched on when it is its turn, and its habits from then on."""
        self._spawn(self._live(seed))

    async def begun(self) -> None:
        """Returns once the car has had its first turn, whatever came of it."""
        await self._begun.wait()

    async def end(self) -> None:
        """Switches the car off for good."""
        await _cancelled([*self._tasks, *self._driving])
        self._note(last=True)

    async def drive_once(self) -> None:
        """Switches the car on, awake and with signal, for one turn; it asks at once."""
        for switch in ("asleep", "no_signal"):
            self._world.storage.turn(self.vin, switch, on=False)
        self.car = self._new_car(patience=0)
        await self.car.turn()

    async def _live(self, seed: int) -> None:
        try:
            async with self._world.starting:
                self._switch_on()
                await self.car.turn()
        finally:
            self._begun.set()
        self._note()
        self._drive_on()
        for name in ("sleeps", "tunnels", "restarts"):
            if getattr(self.habits, name):
                dice = random.Random(f"{seed} {self.vin} {name}")
                self._spawn(getattr(self, f"_{name}")(dice))

    async def _sleeps(self, dice: random.Random) -> None:
        await self._now_and_then("asleep", dice)

    async def _tunnels(self, dice: random.Random) -> None:
        await self._now_and_then("no_signal", dice)

    async def _now_and_then(self, switch: str, dice: random.Random) -> None:
        while True:
            await self._a_while(dice)
            self._world.storage.turn(self.vin, switch, on=True)
            self._off.add(switch)
            self._look_up()
            await self._a_while(dice)
            self._world.storage.turn(self.vin, switch, on=False)
            self._off.discard(switch)
            self._look_up()

    async def _restarts(self, dice: random.Random) -> None:
        while True:
            await self._a_while(dice)
            await self._switch_off()
            if self.habits.worn and dice.random() < 0.5:
                self._world.storage.save(self.vin, self._earlier)
            self._earlier = self._world.storage.memory(self.vin)
            await asyncio.sleep(dice.uniform(0, _OFF) * self._world.spell)
            self._switch_on()
            self._drive_on()

    async def _a_while(self, dice: random.Random) -> None:
        await asyncio.sleep(dice.uniform(0.5, 1.5) * self._world.spell)

    def _look_up(self) -> None:
        """The car notices at once that something is another way."""
        free = not self._off
        if free != (self.free_since is not None):
            self.free_since = time.time() if free else None
            self._note(anyhow=True)
        self._called.set()
        self.car.hang_up()

    def _switch_on(self) -> None:
        self.starts += 1
        self._off.discard("off")
        self._clock = self.habits.clock(self._world.true, driven_since=self._world.began_at)
        self.car = self._new_car()
        self._look_up()

    async def _switch_off(self) -> None:
        await _cancelled(self._driving)
        self._off.add("off")
        self._look_up()

    def _drive_on(self) -> None:
        self._driving = [self._watched(self._drive(self.car))]

    def _new_car(self, patience: int | None = None) -> Car:
        waits = self._world.patience if self.habits.waits else 0
        return Car(
            self.vin,
            self._key,
            audience=self._world.audience,
            storage=self._world.storage,
            wire=self._wire,
            wall=self._clock,
            chance=random.Random(),
            patience=waits if patience is None else patience,
        )

    async def _drive(self, car: Car) -> None:
        while True:
            self._called.clear()
            await car.turn()
            self._note()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), min(car.rest(), _LONGEST_NAP))

    def _note(self, *, anyhow: bool = False, last: bool = False) -> None:
        seen = (self.car.memory.version, self.car.memory.catalog)
        if anyhow or last or seen != self._seen:
            self._seen = seen
            self._world.journal.note(self.vin, seen, free_since=self.free_since, last=last)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._watched(work))

    def _watched(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task whose mistakes are kept for the end."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.error = task.exception()


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Returns when these are over; a car that is just hanging up takes a second asking."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)
