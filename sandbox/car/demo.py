"""Runs the one car whose screen people see: it heeds the screen's buttons at once and says each
change in one line; it must never know what the buttons look like.
"""

import asyncio
import random
import time

from sandbox.car import identity, keys
from sandbox.car.car import Car
from sandbox.car.config import Config
from sandbox.car.hints import Hints
from sandbox.car.stopping import run_until_stopped
from sandbox.car.storage import Storage
from sandbox.car.wire import dial
from sandbox.clock import Clock

# A button must feel instant, and reading one row five times a second costs nothing.
_LOOK_EVERY = 0.2
_BEAT_EVERY = 2.0


async def run(config: Config) -> None:
    """Drives the demo car until Ctrl-C or SIGTERM."""
    storage = Storage(config.data_dir)
    vin = identity.DEMO.vin
    key = storage.enrol([vin], keys.new_key)[vin]
    hints = Hints(config.mqtt_url)
    try:
        async with dial(config.edge_url, connections=2) as wire:
            car = Car(
                vin,
                key,
                audience=config.audience,
                storage=storage,
                wire=wire,
                wall=Clock(config.clock_file).now,
                chance=random.Random(),
                patience=config.patience,
            )
            await run_until_stopped([_drive(car, hints), _beat(storage, vin)])
    finally:
        hints.close()
        # The screen says at once that the car's computer is off.
        storage.beat(vin, 0)
        storage.close()


async def _drive(car: Car, hints: Hints) -> None:
    said = ""
    while True:
        await _turn(car)
        line = headline(car)
        if line != said:
            print(f"car {car.vin}: {line}", flush=True)
            said = line
        hints.listen_as(car.memory.document.get("vehicle", ""))
        while not car.is_called() and car.rest() > 0:
            await asyncio.sleep(_LOOK_EVERY)
            if hints.is_due():
                car.check_soon()


async def _turn(car: Car) -> None:
    """A turn, which is not to be waited out once somebody has used a button."""
    turn = asyncio.ensure_future(car.turn())
    while not (await asyncio.wait({turn}, timeout=_LOOK_EVERY))[0]:
        if car.is_called():
            car.hang_up()
    await turn


async def _beat(storage: Storage, vin: str) -> None:
    while True:
        storage.beat(vin, time.time())
        await asyncio.sleep(_BEAT_EVERY)


def headline(car: Car) -> str:
    """What there is to say of a car, in a line that changes only when something did."""
    if car.is_asleep:
        return "asleep"
    verdict = car.verdict()
    plan = f"{verdict.plan}, {len(verdict.features)} extra features"
    return f"{plan}. {car.memory.problem}" if car.memory.problem else f"{plan}, online"
