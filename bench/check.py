"""The check at wire speed: beside its rivals, with a growing fleet, many connections, no cache.

Servers, PostgreSQL and Valkey have one core, the load has the other. All is measured in one run, in
rounds that take turns, and told as medians; a ratio is the median of the rounds' own ratios, so
that what else the machine does weighs on both sides.
"""

from collections import defaultdict
from collections.abc import Iterator

from bench import cold, connections, contest, growth, machine, page, rebuild
from bench.cars import Fleet
from bench.figures import Figures
from bench.ground import Ground
from bench.wanted import Wanted
from billing import clock

SECONDS, QUICK_SECONDS = 5.0, 2.0


def table(ground: Ground, wanted: Wanted) -> Iterator[str]:
    """Measure, and tell."""
    began, seconds = machine.note(), QUICK_SECONDS if wanted.quick else SECONDS
    sizes = growth.QUICK if wanted.quick else growth.SITES
    fleet, figures = Fleet(int(clock.unix())), Figures(sizes["million"])
    yield "Recording and storing the vehicles ..."
    figures.recorded = fleet.record(ground, sizes["million"])
    figures.sizes = list(growth.fill(ground, fleet, sizes))
    for part in _measured(ground, fleet, figures, wanted.rounds, seconds):
        yield f"  {part}"
    head = f"{began}; after: {machine.load()}; {wanted.rounds} rounds of {seconds:g} s"
    lines = [head, "", *figures.lines()]
    yield from ("", *lines)
    if wanted.into is not None:
        page.renew(wanted.into, lines, figures)


def _measured(
    ground: Ground, fleet: Fleet, figures: Figures, rounds: int, seconds: float
) -> Iterator[str]:
    """Each part in turn; says what it is at."""
    who = list(contest.contenders(ground, fleet, figures.vehicles))
    figures.labels = {each.name: each.label for each in who}
    figures.noting = contest.ready(who, seconds)
    for name, shot in contest.rounds(who, rounds, seconds):
        figures.contest[name].append(shot)
        yield f"{name}: {shot.rate:,.0f}/s, p99 {shot.p99:.1f} ms"
    sizes = {size.site: size.vehicles for size in figures.sizes}
    for site, shot in growth.rounds(ground, fleet, sizes, rounds, seconds):
        figures.growth[site].append(shot)
        yield f"{sizes[site]:,} vehicles: {shot.rate:,.0f}/s"
    pair = [each for each in who if each.name in ("noop", "304")]
    for name, count, shot in connections.rounds(pair, rounds, seconds):
        figures.connections.setdefault(count, defaultdict(list))[name].append(shot)
        yield f"{count:,} connections, {name}: {shot.rate:,.0f}/s, p99 {shot.p99:.1f} ms"
    figures.idle = connections.idle(ground, pair[0].asks, seconds)
    yield f"idle connections: {figures.idle[0]:,}, {figures.idle[1]:,.0f} bytes each"
    for both in cold.rounds(ground, fleet, figures.vehicles, rounds, seconds):
        figures.cold.append(both)
        yield f"cold: {both.cold.rate:,.0f}/s, warm: {both.warm.rate:,.0f}/s"
    figures.rebuilt = rebuild.measured(ground, "cold")
