"""One car on a road of a test's making: its storage, its times, and an edge that it can reach."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sandbox.car import keys
from sandbox.car.car import Car
from sandbox.car.storage import Storage
from sandbox.car.wire import Wire, dial
from tests.unit.car.edge_double import AUDIENCE, EdgeDouble, serving

VIN = "5YJ3E1EA0KF000316"


class Road:
    """A car, its edge, and the car's wall clock, which `skip` moves on."""

    def __init__(self, tmp_path: Path, edge: EdgeDouble, wire: Wire) -> None:
        self.edge = edge
        self.storage = Storage(tmp_path)
        self._wire = wire
        self.skew = 0.0  # Seconds that the car's wall clock is ahead of the machine's.
        private = self.storage.enrol([VIN], keys.new_key)[VIN]
        edge.public_key = Ed25519PrivateKey.from_private_bytes(private).public_key()
        self._private = private
        self.car = self.start()

    def start(self, patience: int = 0) -> Car:
        """A car that is switched on, with what its storage remembers."""
        self.car = Car(
            VIN,
            self._private,
            audience=AUDIENCE,
            storage=self.storage,
            wire=self._wire,
            wall=lambda: time.time() + self.skew,
            chance=random.Random(7),
            patience=patience,
        )
        return self.car

    def skip(self, seconds: float) -> None:
        """Lets time pass for car and edge alike."""
        self.skew += seconds
        self.edge.skew += int(seconds)

    def turn(self, switch: str, *, on: bool) -> None:
        """Uses a switch at the car's screen."""
        self.storage.turn(VIN, switch, on=on)

    async def next_poll(self) -> None:
        """Lets the time pass that the edge told the car to wait, and the car do its turn."""
        self.skip(max(self.car.rest(), 0) + 1)
        await self.car.turn()


@contextlib.asynccontextmanager
async def road(tmp_path: Path) -> AsyncIterator[Road]:
    """A road with an edge on it."""
    async with serving(EdgeDouble(VIN)) as edge, dial(edge.url, connections=4) as wire:
        here = Road(tmp_path, edge, wire)
        try:
            yield here
        finally:
            here.storage.close()


def drive(tmp_path: Path, journey: Callable[[Road], Coroutine[Any, Any, None]]) -> None:
    """Runs a journey from start to end."""

    async def whole() -> None:
        async with road(tmp_path) as here:
            await journey(here)

    asyncio.run(whole())
