"""Ends what a killed supervisor leaves behind; decides nothing else.

The kernel tells each child that its supervisor is gone, but not what that child has started in its
turn, and a child may take its time. So a process that does nothing but wait looks after the rest.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from connectivity.local.claim import end_leftovers

PATIENCE = 1.0  # seconds for them to end by themselves


@contextlib.contextmanager
def watched_over(root: Path, data_dir: Path) -> Iterator[None]:
    """Have the children of this process ended, should it be killed in the block."""
    command = [sys.executable, "-m", __name__, str(data_dir), str(os.getpid())]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, start_new_session=True
    ) as undertaker:
        try:
            yield
        finally:
            undertaker.kill()


def main() -> None:
    """Wait for the supervisor's end of the pipe to close, which nothing but its end does."""
    data_dir, supervisor = Path(sys.argv[1]), int(sys.argv[2])
    sys.stdin.read()
    end_leftovers(data_dir, supervisor=supervisor, patience=PATIENCE)


if __name__ == "__main__":
    main()
