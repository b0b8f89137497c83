"""`python -m tests.nightly.delivery_kills`: processes are killed while deliveries are on their way.

All that `make run` starts, and its supervisor that starts again who died. Goodwill is given and
ended at a steady pace; each car waits at the edge, applies what it is told, and reports it. The
worker, a process of its pool, the edge, both Valkeys and PostgreSQL are killed with SIGKILL, in
turn. The exit status is 0 if each delivery ended applied or explained, none twice, and each car
holds the last version.
"""

import argparse
import contextlib
import itertools
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import django

from tests.nightly.processes import children_of, kill
from tests.running import Run, fresh_shell, soon, started

# Who is killed in turn, and by which words of its command line it is known.
TURNS = {
    "worker": ("celery", " worker "),
    "edge": ("connectivity.edge:application",),
    "the site's Valkey": ("valkey-server", "/valkey-site"),
    "PostgreSQL": ("postgres", " -D "),
    "a process of the worker's pool": ("celery", " worker "),
    "the broker's Valkey": ("valkey-server", "/valkey-broker"),
}
HANDS = 4  # threads that change cars
AHEAD = 500  # changes; with more to come, a car's next would overtake its last, and none be told
QUIET = 180.0  # seconds for what is left, once nobody is killed any more
YEAR = 366 * 86_400


def main() -> int:
    """Run it all and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--cars", type=int, default=1_500)
    parser.add_argument("--speed", type=float, default=80, help="changes a second, at most")
    parser.add_argument("--rounds", type=int, default=4, help="so often each is killed")
    wanted = parser.parse_args()
    # Asked to stop, it stops what it has started, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with (
        tempfile.TemporaryDirectory(prefix="connectivity-deliveries-") as folder,
        started(fresh_shell(Path(folder))) as run,
    ):
        os.environ.update(run.joined(), DJANGO_SETTINGS_MODULE="connectivity.settings.web")
        django.setup()
        # Each change finds somebody gone, and says so at length.
        logging.disable(logging.CRITICAL)
        return _run(wanted, run)


class Killer:
    """Kills one after the other, each time so many deliveries after the last, until all had it."""

    def __init__(self, run: Run, wanted: argparse.Namespace) -> None:
        self._supervisor = run.process.pid
        self._turns = iter([*TURNS] * wanted.rounds)
        self._every = wanted.deliveries / (len(TURNS) * wanted.rounds + 1)
        self.kills: list[tuple[datetime, str]] = []

    def tend(self, delivered: int) -> None:
        """Kill the next one, if it is time."""
        from billing import clock

        if delivered < self._every * (len(self.kills) + 1):
            return
        name = next(self._turns, None)
        if name is None:
            return
        pid = soon(lambda: self._find(name))
        assert pid, f"{name} does not come back."
        assert kill(pid), f"{name} was gone before."
        self.kills.append((clock.now(), name))

    def count(self) -> Counter[str]:
        """How often each was killed."""
        return Counter(name for _, name in self.kills)

    def _find(self, name: str) -> int:
        words = TURNS[name]
        found = children_of(self._supervisor).items()
        pids = [pid for pid, line in found if all(word in line for word in words)]
        if pids and "pool" in name:
            pids = list(children_of(pids[0]))
        return pids[0] if pids else 0


class Changes:
    """Gives and ends goodwill by the product's own use cases, each wish until it was answered."""

    def __init__(self, ids: list[UUID], speed: float) -> None:
        self.ids, self._speed = ids, speed
        self.tokens: list[str] = []
        self.asked_again = 0
        self.enough = False  # for the moment
        self.over = threading.Event()
        self._threads = [threading.Thread(target=self._change, args=(n,)) for n in range(HANDS)]
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """Make no more."""
        self.over.set()
        for each in self._threads:
            each.join()

    def _change(self, seed: int) -> None:
        from django.db import connection

        dice = random.Random(seed)
        while not self.over.is_set():
            one = dice.choice(self.ids)
            wish = self._ending(one) if dice.random() < 0.2 else self._giving(one, dice)
            self._until_answered(wish)
            self.over.wait(HANDS / self._speed)
            while self.enough and not self.over.wait(0.1):
                pass
        connection.close()

    def _giving(self, one: UUID, dice: random.Random) -> Callable[[], Any]:
        from billing import clock
        from fleet import goodwill

        token, days, afterwards = str(uuid4()), dice.randint(1, 30), dice.random() < 0.5
        self.tokens.append(token)
        return lambda: goodwill.give(
            vehicle_id=one,
            days=days,
            afterwards=afterwards,
            reason="it was slow",
            token=token,
            actor=None,
            now=clock.now(),
        )

    def _ending(self, one: UUID) -> Callable[[], Any]:
        from billing import clock, grants
        from billing.models import Grant

        def end() -> None:
            now = clock.now()
            gift = Grant.objects.filter(subject_id=one, ends_at__gt=now).first()
            if gift is not None:
                grants.end(gift.pk, actor=None, now=now)

        return end

    def _until_answered(self, wish: Callable[[], Any]) -> None:
        """Whether it came to pass, who heard no answer cannot know: it is wished again."""
        from django.db import Error, connection

        while True:
            try:
                wish()
            except Error:
                self.asked_again += 1
                connection.close()
                time.sleep(0.2)
            else:
                return


def _run(wanted: argparse.Namespace, run: Run) -> int:
    from django.db import Error, connection

    from billing import clock
    from billing.models import Change
    from fleet import credentials
    from fleet.models import Delivery, Vehicle
    from tests import factories
    from tests.nightly.cars import Cars

    factories._numbers = itertools.count(1_000)  # The demo's cars have low ones.
    ids = [factories.make_car().vehicle.id for _ in range(wanted.cars)]
    known = Vehicle.objects.in_bulk(ids)
    expires = int(clock.unix()) + YEAR
    cars = Cars(
        run.environ["EDGE_PORT"], {one: credentials.issue(known[one], expires) for one in ids}
    )
    cars.start()
    try:
        assert soon(lambda: all(car.said for car in cars.all.values()), 120), "Not all cars came."
        first, began = Delivery.objects.count(), time.monotonic()
        print(f"{wanted.cars:,} cars wait at the edge; {run.data_dir}", flush=True)
        changes, killer = Changes(ids, wanted.speed), Killer(run, wanted)
        try:
            delivered = 0
            while delivered < wanted.deliveries:
                with contextlib.suppress(Error):
                    delivered = Delivery.objects.count() - first
                    changes.enough = Change.objects.count() > AHEAD
                connection.close()
                killer.tend(delivered)
                time.sleep(0.25)
        finally:
            changes.stop()
        changed = time.monotonic() - began
        return _judged(cars, changes, killer, changed)
    finally:
        cars.stop()


def _judged(cars: Any, changes: Changes, killer: Killer, changed: float) -> int:
    from tests.nightly.explained import Books

    began = time.monotonic()
    books = Books(cars.all, "local")
    while (left := books.under_way()) and time.monotonic() - began < QUIET:
        time.sleep(0.5)
        books = Books(cars.all, "local")
    settled = time.monotonic() - began
    wrong = [*books.wrong(changes.tokens), *cars.wrong]
    if left:
        wrong.append(f"not done {QUIET:g} s after the last change: {left}")
    _tell(books, cars, changes, killer)
    print(f"changed for {changed:.0f} s; all was done {settled:.1f} s after the last change")
    for line in wrong[:50]:
        print(f"WRONG  {line}")
    print(f"{len(wrong)} wrong" if wrong else "Each delivery ended applied or explained.")
    return 1 if wrong else 0


def _tell(books: Any, cars: Any, changes: Changes, killer: Killer) -> None:
    rows = books.rows
    made = sum(map(len, books.changes.values()))
    facts = {
        "changes": made,
        "  which had to be wished again, PostgreSQL being away": changes.asked_again,
        "  overtaken by the next before a site was told": made + len(books.cars) - len(rows),
        "deliveries": len(rows),
        **{f"  {state}": n for state, n in Counter(row.state for row in rows).most_common()},
        "  with the car's own reason": sum(bool(row.reason) for row in rows),
        "killed": len(killer.kills),
        **{f"  {name}": n for name, n in killer.count().items()},
        "answers to cars": sum(cars.answers.values()),
        **{f"  {name}": n for name, n in cars.answers.most_common()},
    }
    for name, count in facts.items():
        print(f"{name:<64}{count:>8,}")
    print(f"\n{'from a change until its car has reported it, or a newer one':<64}{'seconds':>8}")
    ordered = books.times()
    for name, share in (("median", 0.5), ("99 of 100", 0.99), ("slowest", 1.0)):
        print(f"  {name:<62}{ordered[min(len(ordered) - 1, int(len(ordered) * share))]:>8.2f}")
    print("  the longest time without any report, within a minute after a kill of")
    silences = books.silences(at for at, _ in killer.kills)
    longest = Counter[str]()
    for (_, name), seconds in zip(killer.kills, silences, strict=True):
        longest[name] = max(longest[name], seconds)
    for name in TURNS:
        print(f"    {name:<60}{longest[name]:>8.2f}")


if __name__ == "__main__":
    sys.exit(main())
