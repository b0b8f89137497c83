"""What a fleet needs, by arithmetic from what was measured; every step of it is shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

POLL = 300  # seconds
LOADED = 0.6  # of what a core can bear: the rest is for a lost machine and a bad minute
MINUTE = 60  # seconds in which a whole fleet reconnects after an outage
FLEETS = (5_000_000, 20_000_000, 100_000_000)
SLACK = 1.5  # bytes of memory for a byte of data: fragmentation, a copy on write while it saves
COPIES = 2  # a primary and a replica
SHARD = 4e9  # bytes of data in a shard, so that it is copied to a new replica within a minute
RENEWED = 30 * 86_400  # seconds in which every car's subscription is renewed once, at the worst
EVENTS = 8  # that Stripe sends for a renewal
# Renewals a second that one core of a worker records; see "The inbox" in docs/capacity.md.
RENEWALS = 16


@dataclass(frozen=True)
class Basis:
    """What was measured: checks a second on a core, and bytes in Valkey for a vehicle."""

    rate: float
    bytes_each: float


def carried(rate: float) -> int:
    """How many cars a core answers at a poll every five minutes, if it does nothing else."""
    return round(rate * POLL)


def lines(basis: Basis) -> Iterator[str]:
    """The plan as a table; each row says how it comes about."""
    rate, usual = basis.rate, basis.rate * LOADED
    yield "| | how | " + " | ".join(f"{n // 1_000_000} million cars" for n in FLEETS) + " |"
    yield "|---|---|" + "---:|" * len(FLEETS)
    rows = (
        ("checks a second", f"cars / {POLL} s", [n / POLL for n in FLEETS]),
        (
            "**cores for edges, each with its Valkey's share**",
            f"checks / ({rate:,.0f} x {LOADED})",
            [ceil(n / POLL / usual) for n in FLEETS],
        ),
        (
            "all come back within a minute",
            f"cars / {MINUTE} s",
            [n / MINUTE for n in FLEETS],
        ),
        (
            "cores if that minute is to be borne without telling anybody to wait",
            f"that / {rate:,.0f}",
            [ceil(n / MINUTE / rate) for n in FLEETS],
        ),
    )
    for name, how, values in rows:
        yield f"| {name} | {how} | " + " | ".join(f"{value:,.0f}" for value in values) + " |"
    yield from _memory(basis)
    yield from _renewals()


def _memory(basis: Basis) -> Iterator[str]:
    data = [n * basis.bytes_each for n in FLEETS]
    yield _row("data in Valkey", f"cars x {basis.bytes_each:.0f} bytes", data, "GB")
    needed = [each * SLACK * COPIES for each in data]
    how = f"x {SLACK} (fragmentation, saving) x {COPIES} (a replica)"
    yield _row("**memory for a site's Valkey**", how, needed, "GB")
    shards = [max(3, ceil(each / SHARD)) for each in data]
    told = " | ".join(f"{each}" for each in shards)
    yield f"| primaries in the cluster | data / {SHARD / 1e9:.0f} GB, at least 3 | {told} |"


def _renewals() -> Iterator[str]:
    renewals = [n / RENEWED for n in FLEETS]
    told = " | ".join(f"{each:,.1f}" for each in renewals)
    yield f"| renewals a second, if every car pays monthly | cars / 30 days | {told} |"
    told = " | ".join(f"{each * EVENTS:,.0f}" for each in renewals)
    yield f"| events of Stripe a second | x {EVENTS} | {told} |"
    told = " | ".join(f"{ceil(each / (RENEWALS * LOADED)):,}" for each in renewals)
    how = f"renewals / ({RENEWALS} x {LOADED})"
    yield f"| **cores for Celery's workers** | {how} | {told} |"


def _row(name: str, how: str, values: list[float], unit: str) -> str:
    return f"| {name} | {how} | " + " | ".join(f"{v / 1e9:,.1f} {unit}" for v in values) + " |"
