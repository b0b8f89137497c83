"""Everything that one run of the check's table has measured, and the Markdown that tells it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench import plan
from bench.cold import Pair
from bench.connections import COUNTS
from bench.growth import Size
from bench.load import Shot, against, middle

Shots = defaultdict[str, list[Shot]]


def _shots() -> Shots:
    return defaultdict(list)


@dataclass
class Figures:
    """One run."""

    vehicles: int
    recorded: int = 0  # bytes in PostgreSQL
    noting: float = 0.0  # microseconds for a car that is noted
    labels: dict[str, str] = field(default_factory=dict)
    contest: Shots = field(default_factory=_shots)
    growth: Shots = field(default_factory=_shots)
    sizes: list[Size] = field(default_factory=list)
    connections: dict[int, Shots] = field(default_factory=dict)
    idle: tuple[int, float] = (0, 0.0)
    cold: list[Pair] = field(default_factory=list)
    rebuilt: tuple[float, float] | None = None

    def lines(self) -> Iterator[str]:
        """All tables."""
        yield from self._contest()
        yield from self._growth()
        yield from self._connections()
        yield from self._rest()
        yield from self._plan()

    def _contest(self) -> Iterator[str]:
        yield f"Side by side, {self.vehicles:,} vehicles, 64 connections:"
        yield ""
        yield (
            "| | answers/s | of the no-op | of DRF over Redis | p50 | p99 "
            "| servers' work each | Valkey's and PostgreSQL's of it | no-op's / it "
            "| DRF's over Redis / it |"
        )
        yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
        for name, shots in self.contest.items():
            noop = against(shots, self.contest["noop"])
            drf = against(shots, self.contest["redis"])
            yield (
                f"| {self.labels[name]} | {middle(shots, 'rate'):,.0f} | {noop:.2f} | {drf:.1f} "
                f"| {_ms(shots, 'p50')} | {_ms(shots, 'p99')} | {middle(shots, 'effort'):.0f} µs "
                f"| {middle(shots, 'kept'):.0f} µs "
                f"| {against(self.contest['noop'], shots, 'effort'):.2f} "
                f"| {against(self.contest['redis'], shots, 'effort'):.1f} |"
            )

    def _growth(self) -> Iterator[str]:
        yield ""
        yield "A growing fleet; each time the same number of cars asks (the check, 304):"
        yield ""
        yield (
            "| vehicles in Valkey | bytes each | answers/s | of the smallest | p99 "
            "| work each | smallest's / it |"
        )
        yield "|---:|---:|---:|---:|---:|---:|---:|"
        smallest = self.growth[self.sizes[0].site]
        for size in self.sizes:
            shots = self.growth[size.site]
            yield (
                f"| {size.vehicles:,} | {size.bytes_each:.1f} | {middle(shots, 'rate'):,.0f} "
                f"| {against(shots, smallest):.2f} | {_ms(shots, 'p99')} "
                f"| {middle(shots, 'effort'):.0f} µs | {against(smallest, shots, 'effort'):.2f} |"
            )

    def _connections(self) -> Iterator[str]:
        yield ""
        yield "More connections:"
        yield ""
        yield (
            "| connections | no-op | p99 | the check, 304 | p99 "
            "| of the no-op | its p99 | lost by either |"
        )
        yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
        for count in COUNTS:
            if count not in self.connections:
                continue
            noop, check = self.connections[count]["noop"], self.connections[count]["304"]
            lost = [sum(shot.broken + shot.refused for shot in shots) for shots in (noop, check)]
            yield (
                f"| {count:,} | {middle(noop, 'rate'):,.0f}/s | {_ms(noop, 'p99')} "
                f"| {middle(check, 'rate'):,.0f}/s | {_ms(check, 'p99')} "
                f"| {against(check, noop):.2f} | {against(check, noop, 'p99'):.2f} "
                f"| {lost[0]}, {lost[1]} |"
            )

    def _rest(self) -> Iterator[str]:
        yield ""
        yield "| | |"
        yield "|---|---:|"
        held, each = self.idle
        yield f"| {held:,} idle connections: memory of the edge for each | {each / 1000:.1f} KB |"
        yield (
            "| noted once an hour that a car is there: the servers' work; of it for a check, at a "
            f"poll every five minutes | {self.noting:.0f} µs; {self.noting / 12:.1f} µs |"
        )
        yield from self._cold()
        loaded = sum(pair.loaded for pair in self.cold)
        queries = sum(pair.queries for pair in self.cold)
        yield (
            "| vehicles for one transaction in PostgreSQL meanwhile (health checks are some, too) "
            f"| {loaded / max(1, queries):.0f} |"
        )
        if self.rebuilt is not None:
            rebuilt, copied = self.rebuilt
            yield (
                f"| `rebuild_snapshots`; of a bare COPY of the same rows "
                f"| {rebuilt:.1f} s; {rebuilt / copied:.1f} x {copied:.1f} s |"
            )

    def _cold(self) -> Iterator[str]:
        cold, warm = [pair.cold for pair in self.cold], [pair.warm for pair in self.cold]
        apart = [pair.apart for pair in self.cold]
        yield (
            f"| cold: nothing in Valkey, all in PostgreSQL, on the servers' core too: answers/s; "
            f"of warm | {middle(cold, 'rate'):,.0f}; {against(cold, warm):.2f} |"
        )
        yield (
            f"| the same by the servers' work (Valkey's of it; PostgreSQL's); of warm "
            f"| {middle(cold, 'effort'):.0f} µs "
            f"({middle(cold, 'kept') - middle(cold, 'asked'):.0f} µs; "
            f"{middle(cold, 'asked'):.0f} µs); {against(warm, cold, 'effort'):.2f} |"
        )
        yield (
            "| cold, PostgreSQL on the load's core, as on a machine of its own: answers/s; "
            "of warm "
            f"| {middle(apart, 'rate'):,.0f}; {against(apart, warm):.2f} |"
        )
        work = middle(apart, "effort") - middle(apart, "asked")
        yield (
            f"| the same by the servers' work without PostgreSQL's; of warm "
            f"| {work:.0f} µs; {middle(warm, 'effort') / work:.2f} |"
        )

    def _plan(self) -> Iterator[str]:
        shots = self.contest["forgotten"]
        both, valkey = middle(shots, "effort"), middle(shots, "kept")
        best = middle(self.contest["304"], "effort")
        yield ""
        yield (
            f"A core with edge and Valkey carries {plan.carried(both) / 1e6:.1f} million cars at a "
            f"poll every five minutes: {plan.POLL} s / {both:.0f} µs, the servers' work for a car "
            "that the process has forgotten, as it has most that come so seldom. Were all "
            f"remembered: {plan.POLL} s / {best:.0f} µs = {plan.carried(best) / 1e6:.1f} million."
            " From that:"
        )
        yield ""
        stored = next(size.bytes_each for size in self.sizes if size.site == "million")
        rebuilt = self.rebuilt[0] / self.vehicles * 1e6 if self.rebuilt else 0.0
        recorded = self.recorded / self.vehicles
        yield from plan.lines(plan.Basis(both - valkey, valkey, stored, recorded, rebuilt))


def _ms(shots: list[Shot], name: str) -> str:
    return f"{middle(shots, name):.1f} ms"
