"""What is left when Valkey has nothing and PostgreSQL has to be asked for every vehicle."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench import contest
from bench.cars import Fleet, spread
from bench.ground import LOAD, Ground
from bench.load import Shot, fire

SITE = "cold"


@dataclass(frozen=True)
class Pair:
    """The same cars ask at an emptied site, and at a full one."""

    cold: Shot
    warm: Shot
    loaded: int
    queries: int


def rounds(
    ground: Ground, fleet: Fleet, recorded: int, count: int, seconds: float
) -> Iterator[Pair]:
    """Empty the site, ask; fill it, ask."""
    cars = spread(recorded, contest.ASKED)
    asks = fleet.requests(ground.folder / "cold", cars, tags=True)
    fleet.store(ground, SITE, cars)
    edge = ground.edge(SITE)
    contest.warm(edge.url, asks, seconds=seconds)
    for number in range(count):
        first = number * 17_000
        with ground.valkey(SITE) as valkey:
            valkey.flushall()
            before = _queries(ground)
            cold = contest.judged(
                fire(edge.url, asks, core=LOAD, seconds=seconds, first=first), "cold"
            )
            queries, loaded = _queries(ground) - before, valkey.dbsize()
        if cold.requests > contest.ASKED:
            raise RuntimeError(f"Not all were cold: {cold.requests} answers to {len(cars)} cars.")
        fleet.store(ground, SITE, cars)
        warm = fire(edge.url, asks, core=LOAD, seconds=seconds, first=first)
        yield Pair(cold, contest.judged(warm, "warm"), loaded, queries)


def _queries(ground: Ground) -> int:
    """Transactions so far: queries, and whatever asks if a connection lives; told when idle."""
    time.sleep(11)
    with ground.postgres() as db:
        row = db.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(str(row[0])) if row else 0
