"""What a larger fleet costs: bytes in Valkey for each vehicle, and answers a second.

Each size has a Valkey and an edge of its own, so that they take turns within one run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import contest
from bench.cars import Fleet, spread
from bench.ground import LOAD, Ground
from bench.load import Shot, fire

SITES = {"small": 10_000, "million": 1_000_000, "large": 5_000_000}
QUICK = {"small": 10_000, "million": 100_000, "large": 200_000}
ASKED = 10_000  # at every size: what is compared is what lies in Valkey


@dataclass(frozen=True)
class Size:
    """A fleet in its site's Valkey."""

    site: str
    vehicles: int
    bytes_each: float


def fill(ground: Ground, fleet: Fleet, sizes: dict[str, int]) -> Iterator[Size]:
    """Write the fleets, and weigh them."""
    for site, count in sizes.items():
        with ground.valkey(site) as valkey:
            # What all share is there before: the catalogue, the scripts, the traits' words.
            fleet.store(ground, site, range(1, 100))
            valkey.delete(*valkey.keys("v*"))
            before = _used(valkey)
            fleet.store(ground, site, range(1, count + 1))
            yield Size(site, count, (_used(valkey) - before) / count)


def rounds(
    ground: Ground, fleet: Fleet, sizes: dict[str, int], count: int, seconds: float
) -> Iterator[tuple[str, Shot]]:
    """Ask for as many vehicles of each, in turns."""
    asked: dict[str, tuple[str, Path]] = {}
    for site, vehicles in sizes.items():
        edge = ground.edge(site)
        file = ground.folder / f"of-{site}"
        asked[site] = edge.url, fleet.requests(file, spread(vehicles, ASKED), tags=True)
        contest.warm(*asked[site], seconds=seconds)
    contest.noted()
    for number in range(count):
        # To and fro: who comes last in one round comes first in the next.
        for site, (url, file) in list(asked.items())[:: -1 if number % 2 else 1]:
            shot = fire(url, file, core=LOAD, seconds=seconds)
            yield site, contest.judged(shot, f"{sizes[site]} vehicles")


def _used(valkey: Any) -> int:
    """Bytes that the data take, without what the clients' buffers hold at the moment."""
    valkey.execute_command("MEMORY", "PURGE")
    return int(valkey.info("memory")["used_memory"])
