"""What a fleet needs, by arithmetic from what was measured; every step of it is shown."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

POLL = 300  # seconds
LOADED = 0.6  # of what a core can bear: the rest is for a lost machine and a bad minute
MINUTE = 60  # seconds in which a whole fleet reconnects after an outage
FLEETS = (5_000_000, 20_000_000, 100_000_000)
SLACK = 1.5  # bytes of memory for a byte of data: fragmentation, a copy on write while it saves
COPIES = 2  # a primary and a replica
SHARD = 4e9  # bytes of data in a shard, so that it is copied to a new replica within a minute
RENEWED = 30  # days in which every car's subscription is renewed once, at the worst
EVENTS = 8  # that Stripe sends for a renewal
# Renewals a second that one core of a worker records; see "The inbox" in docs/capacity.md.
RENEWALS = 16


@dataclass(frozen=True)
class Basis:
    """What was measured.

    Microseconds for a check in the edge and in Valkey, bytes for a vehicle in Valkey and in
    PostgreSQL, seconds to rebuild a million snapshots (0: not measured).
    """

    edge: float
    valkey: float
    stored: float
    recorded: float
    rebuilt: float


def carried(microseconds: float) -> float:
    """How many cars a core answers at a poll every five minutes, if it does nothing else."""
    return POLL * 1e6 / microseconds


def lines(basis: Basis) -> Iterator[str]:
    """The plan as a table; each row says how it comes about."""
    yield "| | how | " + " | ".join(f"{n // 1_000_000} million cars" for n in FLEETS) + " |"
    yield "|---|---|" + "---:|" * len(FLEETS)
    yield from _cores(basis)
    yield from _memory(basis)
    yield from _money()


def _cores(basis: Basis) -> Iterator[str]:
    checks = [cars / POLL for cars in FLEETS]
    at_once = [cars / MINUTE for cars in FLEETS]
    edge, valkey = f"{basis.edge:.0f} µs", f"{basis.valkey:.0f} µs"

    def cores(many: Sequence[float], each: float, loaded: float = LOADED) -> list[float]:
        return [ceil(rate * each / 1e6 / loaded) for rate in many]

    yield _row("checks a second", f"cars / {POLL} s", checks)
    yield _row("**cores for edges**", f"x {edge} / {LOADED}", cores(checks, basis.edge))
    yield _row("**cores for Valkey**", f"x {valkey} / {LOADED}", cores(checks, basis.valkey))
    yield _row("all come back within a minute", f"cars / {MINUTE} s", at_once)
    how = f"x {edge}, all of a core"
    yield _row("cores for edges that bear this too", how, cores(at_once, basis.edge, 1))


def _memory(basis: Basis) -> Iterator[str]:
    data = [cars * basis.stored for cars in FLEETS]
    yield _row("data in Valkey", f"cars x {basis.stored:.0f} bytes", data, _gigabytes)
    how = f"x {SLACK} (fragmentation, saving) x {COPIES} (a replica)"
    needed = [each * SLACK * COPIES for each in data]
    yield _row("**memory for a site's Valkey**", how, needed, _gigabytes)
    by_work = [cars / POLL * basis.valkey / 1e6 / LOADED for cars in FLEETS]
    shards = [ceil(max(each / SHARD, work)) for each, work in zip(data, by_work, strict=True)]
    how = f"the greater of data / {SHARD / 1e9:.0f} GB and Valkey's cores: it has one thread"
    yield _row("primaries, in a cluster if more than one", how, shards)
    rows = [cars * basis.recorded for cars in FLEETS]
    how = f"cars x {basis.recorded:,.0f} bytes, without what happened to them"
    yield _row("data in PostgreSQL, and again on each replica", how, rows, _gigabytes)
    if basis.rebuilt:
        minutes = [cars / 1e6 * basis.rebuilt / 60 for cars in FLEETS]
        how = f"one process, {basis.rebuilt:.0f} s a million"
        yield _row("minutes to fill an emptied site from a replica", how, minutes)


def _money() -> Iterator[str]:
    renewals = [cars / RENEWED / 86_400 for cars in FLEETS]
    name = "renewals a second, if every car pays monthly"
    yield _row(name, f"cars / {RENEWED} days", renewals, lambda each: f"{each:,.1f}")
    yield _row("events of Stripe a second", f"x {EVENTS}", [each * EVENTS for each in renewals])
    how = f"renewals / ({RENEWALS} x {LOADED})"
    cores = [ceil(each / RENEWALS / LOADED) for each in renewals]
    yield _row("**cores for Celery's workers**", how, cores)


def _gigabytes(value: float) -> str:
    return f"{value / 1e9:,.1f} GB"


def _row(
    name: str,
    how: str,
    values: Sequence[float],
    form: Callable[[float], str] = lambda value: f"{value:,.0f}",
) -> str:
    return f"| {name} | {how} | " + " | ".join(map(form, values)) + " |"
