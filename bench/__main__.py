"""`python -m bench [TABLE ...]`: prints the tables that are named, or all of them."""

import argparse
import importlib
import signal
import sys

from bench import machine
from bench.system import running

# The name of a table, and the module that makes it: `table(run, rounds)` returns its lines.
TABLES = {"inbox": "bench.inbox"}


def main() -> int:
    """Measure, and print what came of it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)}")
    parser.add_argument("--rounds", type=int, default=3, help="the tables show their medians")
    wanted = parser.parse_args()
    if unknown := set(wanted.tables) - set(TABLES):
        parser.error(f"There is no table {', '.join(sorted(unknown))}; see --help.")
    # Asked to stop, it stops what it has started, as at Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(machine.note(), flush=True)
    with running() as run:
        for name in wanted.tables or TABLES:
            for line in importlib.import_module(TABLES[name]).table(run, wanted.rounds):
                print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
