"""What is left when Valkey has nothing and PostgreSQL has to be asked for every vehicle."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from bench import contest, effort
from bench.cars import Fleet, spread
from bench.ground import LOAD, SERVERS, Ground
from bench.load import Shot, fire

SITE = "cold"


@dataclass(frozen=True)
class Pair:
    """The same cars ask at an emptied site, and at a full one.

    They ask in the same order, and one process that has met them all before, so that it remembers
    the token of each and what followed from its facts: cold is a site that is emptied under an edge
    which goes on. `apart` is cold with PostgreSQL on the other core, as on a machine of its own.
    """

    cold: Shot
    apart: Shot
    warm: Shot
    loaded: int
    queries: int


def rounds(
    ground: Ground, fleet: Fleet, recorded: int, count: int, seconds: float
) -> Iterator[Pair]:
    """Empty the site, ask; the same with PostgreSQL elsewhere; fill the site, ask."""
    cars = spread(recorded, contest.ASKED)
    asks = fleet.requests(ground.folder / "cold", cars, tags=True)
    fleet.store(ground, SITE, cars)
    edge = ground.edge(SITE)
    contest.warm(edge.url, asks, seconds=seconds)
    contest.noted()
    for number in range(count):
        first = number * 17_000
        shoot = partial(fire, edge.url, asks, core=LOAD, seconds=seconds, first=first)
        with ground.valkey(SITE) as valkey:
            valkey.flushall()
            before = _queries(ground)
            cold = _all_cold(shoot())
            queries, loaded = _queries(ground) - before, valkey.dbsize()
            valkey.flushall()
        effort.move_postgres(LOAD)
        apart = _all_cold(shoot())
        effort.move_postgres(SERVERS)
        fleet.store(ground, SITE, cars)
        yield Pair(cold, apart, contest.judged(shoot(), "warm"), loaded, queries)


def _all_cold(shot: Shot) -> Shot:
    """The same, if no car has asked twice."""
    if shot.requests > contest.ASKED:
        raise RuntimeError(f"Not all were cold: {shot.requests} answers to {contest.ASKED} cars.")
    return contest.judged(shot, "cold")


def _queries(ground: Ground) -> int:
    """Transactions so far: queries, and whatever asks if a connection lives; told when idle."""
    time.sleep(11)
    with ground.postgres() as db:
        row = db.execute(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    return int(str(row[0])) if row else 0
