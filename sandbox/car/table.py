"""Decides how a fleet looks in a terminal: counts, rates and times; it must never know a single
car's secrets.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import TextIO

from sandbox.car.car import Car
from sandbox.car.driver import Driver

_RECENT_SECONDS = 10.0
_MOST_RECENT = 20_000
_REDRAW_EVERY = 1.0
_REDRAWS_SLOWER_FOR = 2_500  # cars: to look at all of them takes time that they need
_LINE_EVERY = 10.0
_NO_ANSWER = "no answer"


class Tally:
    """Counts calls and answers; times are `time.monotonic` seconds."""

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.answers: Counter[tuple[str, str]] = Counter()
        self._recent: deque[tuple[float, float]] = deque(maxlen=_MOST_RECENT)

    def count(self, call: str, status: int | None, seconds: float) -> None:
        """Counts a call that took so long and was answered so; None is no answer."""
        self.answers[call, _NO_ANSWER if status is None else str(status)] += 1
        if call == "check" and status is not None:
            self._recent.append((time.monotonic(), seconds))

    def checks(self) -> int:
        """Answered checks since the start."""
        return sum(
            n
            for (call, how), n in self.answers.items()
            if call in ("check", "wait") and how != _NO_ANSWER
        )

    def recent(self, now: float) -> tuple[float, list[float]]:
        """Checks per second over the last seconds, held ones aside, and how long each took."""
        since = max(self.started_at, now - _RECENT_SECONDS)
        took = sorted(seconds for at, seconds in self._recent if at >= since)
        return len(took) / max(now - since, 1.0), took


def render(drivers: Sequence[Driver], tally: Tally, now: float) -> list[str]:
    """The table's lines, each at most 100 characters."""
    fleet = [driver.car for driver in drivers]
    rate, took = tally.recent(now)
    times = f"p50 {_quantile(took, 0.5)}, p99 {_quantile(took, 0.99)}"
    lines = [
        f"{len(fleet):,} cars for {_duration(now - tally.started_at)}",
        f"  road     {_counts(Counter(driver.state for driver in drivers))}",
        f"  plans    {_plans(fleet)}",
        f"  holding  {_holding(fleet)}",
        f"  reports  {_reports(fleet)}",
        f"  oddities {_oddities(drivers)}",
        f"  checks   {rate:,.1f}/s in the last {_RECENT_SECONDS:.0f} s, {times}",
    ]
    for call in ("token", "check", "wait", "report", "keys"):
        answers = {how: n for (c, how), n in sorted(tally.answers.items()) if c == call}
        if answers:
            lines.append(f"  {call:8} {_counts(answers)}")
    lines += [f"  trouble  {n:,} x {words}" for words, n in _troubles(fleet).most_common(4)]
    return [line[:100] for line in lines]


def summary(drivers: Sequence[Driver], tally: Tally) -> str:
    """The last table, with the mean rate over the whole run."""
    now = time.monotonic()
    mean = tally.checks() / max(now - tally.started_at, 0.001)
    lines = ["", "Stopped. What the cars saw:", *render(drivers, tally, now)]
    return "\n".join([*lines, f"  in all   {tally.checks():,} checks, {mean:,.1f}/s"])


async def show(drivers: Sequence[Driver], tally: Tally, out: TextIO) -> None:
    """Redraws the table in a terminal, or writes a line now and then into anything else."""
    drawn = 0
    while True:
        redraw = _REDRAW_EVERY + len(drivers) / _REDRAWS_SLOWER_FOR
        await asyncio.sleep(redraw if out.isatty() else _LINE_EVERY)
        lines = render(drivers, tally, time.monotonic())
        if not out.isatty():
            out.write(" | ".join(line.strip() for line in lines[:7]) + "\n")
        else:
            # Go back over the last table and clear to the end of the screen before each redraw.
            out.write((f"\x1b[{drawn}F" if drawn else "") + "\x1b[J" + "\n".join(lines) + "\n")
            drawn = len(lines)
        out.flush()


def _plans(fleet: Sequence[Car]) -> str:
    return _counts(Counter(car.verdict().plan if car.memory.lease else "none yet" for car in fleet))


def _holding(fleet: Sequence[Car]) -> str:
    catalogs = Counter(car.memory.catalog for car in fleet if car.memory.catalog)
    newest = sorted(catalogs.items(), reverse=True)[:4]
    return _counts({f"catalogue {catalog}:": n for catalog, n in newest})


def _oddities(drivers: Sequence[Driver]) -> str:
    return _counts(
        {
            "wrong clock": sum(driver.habits.clock_is_wrong for driver in drivers),
            "in 1970": sum(driver.habits.flat_battery for driver in drivers),
            "restarts": sum(max(driver.starts - 1, 0) for driver in drivers),
            "bad keys": sum(driver.habits.forged for driver in drivers),
            "told backwards": sum(bool(driver.told.backwards) for driver in drivers),
        }
    )


def _reports(fleet: Sequence[Car]) -> str:
    reports = [car.memory.report for car in fleet]
    return _counts(
        Counter(
            "none yet" if report is None else report.result if report.settled else "to be sent"
            for report in reports
        )
    )


def _troubles(fleet: Sequence[Car]) -> Counter[str]:
    return Counter(car.memory.problem for car in fleet if car.memory.problem)


def _counts(counts: dict[str, int]) -> str:
    return "   ".join(f"{name} {n:,}" for name, n in counts.items())


def _quantile(ordered: Sequence[float], share: float) -> str:
    if not ordered:
        return "-"
    return f"{ordered[int(share * (len(ordered) - 1))] * 1000:,.0f} ms"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"
