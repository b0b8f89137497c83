"""`python -m bench [TABLE ...]`: prints the tables that are named, or all of them."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench import machine
from bench.ground import standing
from bench.load import Missing
from bench.system import running
from bench.wanted import Wanted

# The name of a table, and the module that makes it: `table(ground, wanted)` yields its lines.
TABLES = {
    "check": "bench.check",
    "inbox": "bench.inbox",
    "told": "bench.told",
    "waiting": "bench.waiting",
}
# These are measured on all that `make run` starts: `table(run, rounds)`.
ON_A_RUN = {"inbox", "told"}


def main() -> int:
    """Measure, and print what came of it."""
    names, wanted = _asked()
    # Asked to stop, it stops what it has started, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if len(names) > 1:
        return _one_by_one(names)
    print(machine.note(), flush=True)
    try:
        for line in _lines(names[0], wanted):
            print(line, flush=True)
    except Missing as problem:
        print(problem)
        return 1
    return 0


def _lines(name: str, wanted: Wanted) -> Iterator[str]:
    # A table is imported once Django is set up for what it is to measure.
    if name in ON_A_RUN:
        with running() as run:
            yield from importlib.import_module(TABLES[name]).table(run, wanted.rounds)
    else:
        with standing() as ground:
            yield from importlib.import_module(TABLES[name]).table(ground, wanted)


def _asked() -> tuple[list[str], Wanted]:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}")
    parser.add_argument("--rounds", type=int, default=3, help="the tables show their medians")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that it runs")
    parser.add_argument(
        "--into", type=Path, help="a folder such as docs, whose tables and pictures are made anew"
    )
    given = parser.parse_args()
    if unknown := set(given.tables) - set(TABLES):
        parser.error(f"There is no table {', '.join(sorted(unknown))}; see --help.")
    return given.tables or list(TABLES), Wanted(given.rounds, given.quick, given.into)


def _one_by_one(names: list[str]) -> int:
    """Each in a process of its own: Django is set up for one system, and once."""
    options = [each for each in sys.argv[1:] if each not in names]
    for name in names:
        with subprocess.Popen([sys.executable, "-m", "bench", name, *options]) as process:
            try:
                failed = process.wait()
            except BaseException:
                process.send_signal(signal.SIGTERM)
                raise
        if failed:
            return failed
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
