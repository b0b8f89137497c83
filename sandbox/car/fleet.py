"""Runs many cars in one process and shows what they see; it must never know how one car decides."""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from typing import TextIO

from sandbox.car import identity, keys, table
from sandbox.car.car import Car
from sandbox.car.config import Config
from sandbox.car.stopping import run_until_stopped
from sandbox.car.storage import Storage
from sandbox.car.wire import dial
from sandbox.clock import Clock

# Cars share these connections, as they share a carrier's addresses on a real road.
_CONNECTIONS = 200
# A fleet that is switched on does not wake in one instant.
_STARTS_PER_SECOND = 100
_LONGEST_NAP = 3600.0


async def run(config: Config, cars: Sequence[identity.Identity], out: TextIO = sys.stdout) -> None:
    """Drives these cars until Ctrl-C or SIGTERM, then writes a summary."""
    storage = Storage(config.data_dir)
    private_keys = storage.enrol([car.vin for car in cars], keys.new_key)
    tally = table.Tally(started_at=time.monotonic())
    wall = Clock(config.clock_file).now
    try:
        async with dial(config.edge_url, connections=_CONNECTIONS, tally=tally.count) as wire:
            fleet = [
                Car(
                    vin,
                    key,
                    audience=config.audience,
                    storage=storage,
                    wire=wire,
                    wall=wall,
                    chance=random.Random(vin),
                )
                for vin, key in private_keys.items()
            ]
            work = [_drive(car, len(fleet)) for car in fleet]
            await run_until_stopped([*work, table.show(fleet, tally, out)])
            out.write(table.summary(fleet, tally) + "\n")
    finally:
        storage.close()


async def _drive(car: Car, fleet_size: int) -> None:
    await asyncio.sleep(random.uniform(0, fleet_size / _STARTS_PER_SECOND))
    while True:
        await car.turn()
        await asyncio.sleep(min(car.rest(), _LONGEST_NAP))
