"""A roll-out meets many cars: how soon each has it, with real processes and real cars.

Run with `python -m tests.nightly.many --count 10000`; it prints what it measured. Meanwhile the
cars sleep, lose signal and restart, and some of them are given days of Premium. At the end each car
is asked for what it has, by sandbox/car/proof.py.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django
from dotenv import dotenv_values

from sandbox.car import habits, identity
from tests.nightly import effort
from tests.running import ROOT, fresh_shell, soon, started

JITTER = 0.1  # of an interval (fleet.pace.SPREAD)
ON_THE_WAY = (
    3.0  # seconds: the sites hear of a publish by a sweep every 2, and an answer takes time
)
GLANCE = 0.2
FIRST_TURNS = 1200.0  # seconds for all of them, at the most
GIFTS = 2.0  # a second
LONGEST_WAIT = 50  # seconds: the contract of held requests
FOR_EVER = 86_400.0
REASON = "Measured"


@dataclass
class Car:
    """What the journal says of a car, so far."""

    catalog: int = 0
    free_since: float | None = None
    # The catalogues that it got: when, and since when it could ask for one then.
    got: list[tuple[int, float, float | None]] = field(default_factory=list)

    def heard(self, line: Mapping[str, Any]) -> None:
        """Take a line of the journal."""
        if line["catalog"] > max((each for each, _, _ in self.got), default=0):
            self.got.append((line["catalog"], line["at"], self.free_since or line["free_since"]))
        self.catalog, self.free_since = line["catalog"], line["free_since"]


class Cars:
    """All that have spoken, by their journal, which is read as it grows."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal.open()
        self._rest = ""
        self.by_vin: dict[str, Car] = {}

    def look(self) -> None:
        """Read on."""
        text = self._rest + self._journal.read()
        whole, _, self._rest = text.rpartition("\n")
        for line in filter(None, whole.split("\n")):
            said = json.loads(line)
            if not said["last"]:
                self.by_vin.setdefault(said["vin"], Car()).heard(said)

    def known(self) -> list[Car]:
        """Those that the service has told something; cars with a bad key are not."""
        return [car for car in self.by_vin.values() if car.got]

    def have(self, catalog: int) -> bool:
        """Whether each car that can ask has this catalogue, or a later one."""
        self.look()
        return all(car.catalog >= catalog for car in self.known() if car.free_since)


@dataclass
class Step:
    """One publish: what it was, its number, when it was there, and when it was looked at last.

    `spent` is the processor time that the system and the cars took from then until the next one.
    """

    name: str
    catalog: int
    at: float
    until: float = 0.0
    spent: Counter[str] = field(default_factory=Counter)

    def told(self, cars: Cars, bound: float) -> tuple[str, int]:
        """What came of it in words, and how many running cars had to wait longer than the bound."""
        running: list[float] = []
        returned: list[float] = []
        missing = late = 0
        for car in cars.known():
            got = next((each for each in car.got if each[0] >= self.catalog), None)
            if got is None or got[1] > self.until:
                since = car.free_since
                late += since is not None and self.until - max(since, self.at) > bound
                missing += 1
                continue
            _, at, since = got
            took = at - max(since or at, self.at)
            late += took > bound
            (running if since and since <= self.at else returned).append(took)
        words = (
            f"{self.name}, catalogue {self.catalog}: {_spread(running)}; of those that came back "
            f"later, from then on: {_spread(returned)}; away all the time {missing:,}; "
            f"too late {late:,}; processor time a car {_shares(self.spent, len(cars.known()))}"
        )
        return words, late


def main() -> int:
    """Do it, and say how it went; 1 if a car had to wait too long or has not what it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--count", type=int, default=10_000, help="cars (10,000)")
    add(
        "--poll",
        type=int,
        default=40,
        help="seconds between two checks, and of a wait; above 50 all cars poll (60)",
    )
    add("--steady", action="store_true", help="no car sleeps, loses signal or restarts")
    add("--join", type=Path, metavar="DATA_DIR", help="a running `make run`, with its own interval")
    add("--slack", type=float, default=0, help="seconds more that a machine takes which is busy")
    add("--seed", type=int, default=1)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="connectivity-many-") as folder,
        _system(options, Path(folder)) as joined,
    ):
        os.environ.update(joined, DJANGO_SETTINGS_MODULE="connectivity.settings.web")
        django.setup()
        return _measure(options, Path(folder))


@contextlib.contextmanager
def _system(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, str]]:
    """The environment of the system to be measured: one that runs already, or one of our own."""
    if options.join:
        values = dotenv_values(options.join / "embedded.env", interpolate=False)
        yield {name: value or "" for name, value in values.items()}
        return
    with started(fresh_shell(folder) | {"POLL_SECONDS": str(options.poll)}) as run:
        yield run.joined()


def _measure(options: argparse.Namespace, folder: Path) -> int:
    bound = options.poll * (1 + JITTER) + ON_THE_WAY + options.slack
    journal, output = folder / "journal", folder / "cars"
    journal.touch()
    cars, rollout = Cars(journal), Rollout()
    with _driving(options, journal, output) as driven:
        soon(lambda: driven.poll() is not None or _all_begun(cars, options.count), FIRST_TURNS)
        assert driven.poll() is None, output.read_text()
        assert _all_begun(cars, options.count), output.read_text()
        rollout.find_cars(options.count)
        steps = [rollout.step("begun at 50 %", rollout.begin)]
        _wait(cars, rollout, steps[-1], options.poll / 2)
        steps.append(rollout.step("halted midway", rollout.halt))
        _wait(cars, rollout, steps[-1], bound)
        steps[0].until = steps[1].until
        steps.append(rollout.step("rolled back", rollout.roll_back))
        _wait(cars, rollout, steps[-1], bound)
        driven.send_signal(signal.SIGINT)
        proven = driven.wait(FIRST_TURNS) == 0
    print(_end_of(output))
    return _concluded(cars, steps, bound, gifts=rollout.gifts, proven=proven)


def _concluded(cars: Cars, steps: list[Step], bound: float, *, gifts: int, proven: bool) -> int:
    print(
        f"\n{len(cars.known()):,} cars; {gifts} gifts; a running car is to have it in {bound:.1f} s"
    )
    too_late = 0
    for step in steps:
        words, late = step.told(cars, bound)
        too_late += late
        print(f"  {words}")
    print(f"each car has what it should: {proven}; none too late: {not too_late}")
    return 0 if proven and not too_late else 1


class Rollout:
    """What staff do, by the same functions as their pages."""

    def __init__(self) -> None:
        self._made: Any = None
        self._ids: list[Any] = []
        self._dice = random.Random(5)
        self.began_at = 0.0
        self.gifts = 0

    def find_cars(self, count: int) -> None:
        """Those of the fleet that can be given something."""
        from fleet.models import Vehicle

        vins = [car.vin for car in identity.series(count)]
        cars = Vehicle.objects.filter(lifetime_premium=False, vin__in=vins).order_by("vin")
        self._ids = list(cars.values_list("id", flat=True))
        self.began_at = time.time()

    def step(self, name: str, act: Callable[..., Any]) -> Step:
        """Take a step, as somebody who has just looked."""
        from billing import clock

        self._made = act(reason=REASON, actor=None, now=clock.now())
        return Step(name, self._made.revision, time.time())

    def begin(self, **common: Any) -> Any:
        """A new feature joins Premium."""
        from fleet import rollouts

        made: dict[str, Any] = {"name": "Measured", "plan": "premium", "audience": {}}
        feature = f"measured_{int(time.time())}"
        return rollouts.begin(feature=feature, share=5000, **made, **common)

    def halt(self, **common: Any) -> Any:
        """Its share grows no more."""
        from fleet import rollouts

        return rollouts.halt(rollout_id=self._made.pk, seen=self._made.revision, **common)

    def roll_back(self, **common: Any) -> Any:
        """It leaves Premium again."""
        from fleet import rollouts

        return rollouts.roll_back(rollout_id=self._made.pk, seen=self._made.revision, **common)

    def give(self) -> None:
        """A day of Premium for one car, so that versions change as well."""
        from billing import clock
        from fleet import goodwill

        self.gifts += 1
        goodwill.give(
            vehicle_id=self._dice.choice(self._ids),
            days=1,
            afterwards=True,
            reason=REASON,
            token=f"measured {time.time()}",
            actor=None,
            now=clock.now(),
        )


def _wait(cars: Cars, rollout: Rollout, step: Step, seconds: float) -> None:
    """Go on once each car that can ask has it, or after so many seconds; some cars get a gift."""
    before = effort.spent()
    while time.time() < step.at + seconds and not cars.have(step.catalog):
        time.sleep(GLANCE)
        if rollout.gifts < (time.time() - rollout.began_at) * GIFTS:
            rollout.give()
    step.until, step.spent = time.time(), effort.spent() - before


@contextlib.contextmanager
def _driving(
    options: argparse.Namespace, journal: Path, output: Path
) -> Iterator[subprocess.Popen[bytes]]:
    spell = FOR_EVER if options.steady else max(1.0, min(30.0, options.poll / 2))
    command = (sys.executable, "-m", "sandbox.car", f"--count={options.count}")
    more = (f"--seed={options.seed}", f"--journal={journal}", f"--spell={spell}")
    # Where a wait cannot last as long as the interval, all cars poll.
    wait = options.poll if options.poll <= LONGEST_WAIT else 0
    environ = os.environ | {"CAR_WAIT": str(wait)}
    with output.open("wb") as file:
        driven = subprocess.Popen(
            (*command, *more), cwd=ROOT, env=environ, stdout=file, stderr=file
        )
    try:
        yield driven
    finally:
        driven.kill()
        driven.wait(10)


def _all_begun(cars: Cars, count: int) -> bool:
    cars.look()
    return len(cars.known()) >= sum(not habits.is_forged(at) for at in range(count))


def _end_of(output: Path) -> str:
    """What the cars' process says in the end."""
    text = output.read_text()
    return text[text.rfind("Stopped. What the cars saw:") :]


def _shares(spent: Counter[str], cars: int) -> str:
    each = [f"{kind} {seconds * 1000 / cars:.2f} ms" for kind, seconds in spent.most_common(5)]
    return ", ".join(each)


def _spread(took: list[float]) -> str:
    if not took:
        return "0 cars"
    took.sort()
    middle = statistics.median(took)
    return (
        f"{len(took):,} cars, first {took[0]:.1f} s, median {middle:.1f} s, last {took[-1]:.1f} s"
    )


if __name__ == "__main__":
    raise SystemExit(main())
