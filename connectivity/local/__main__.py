"""`python -m connectivity.local`, which is `make run`: everything, until Ctrl-C."""

import contextlib
import os
import sys
import time
from pathlib import Path

from connectivity.local.claim import claimed, end_leftovers, refuse_taken_ports
from connectivity.local.environment import Wishes, wishes
from connectivity.local.errors import CannotStart
from connectivity.local.greeting import greeting
from connectivity.local.run import Run
from connectivity.local.stopping import Stopped, StopRequests
from connectivity.local.undertaker import watched_over

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run until somebody asks to stop: 0. If it cannot start, say why: 1."""
    requests = StopRequests()
    requests.listen()
    try:
        wished = wishes(os.environ, ROOT)
        with claimed(wished.data_dir), watched_over(ROOT, wished.data_dir):
            _run(wished, requests)
    except Stopped:
        pass
    except CannotStart as problem:
        say(f"\nCannot start. {problem}")
        return 1
    return 0


def _run(wished: Wishes, requests: StopRequests) -> None:
    began = time.monotonic()
    say(f"Starting, with the data in {wished.data_dir} ...")
    if count := end_leftovers(wished.data_dir):
        say(f"Ended {count} processes of an earlier run that was killed.")
    taken = wished.ports.named()
    if not wished.sandbox:
        taken = {name: port for name, port in taken.items() if "SANDBOX" not in name}
    refuse_taken_ports(taken)
    run = Run(ROOT, wished, requests, say)
    try:
        run.up()
        say(greeting(wished, time.monotonic() - began))
        run.tend()
    finally:
        say("Stopping ... (Ctrl-C again: at once)")
        run.down()
        say("Stopped.")


def say(text: str) -> None:
    """Tell the terminal; one that was closed must not keep us from stopping in good order."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
