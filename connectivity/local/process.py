"""Decides how one child lives and dies; must never know what the child is for.

A child leads a session of its own, so that a Ctrl-C in the terminal reaches the supervisor alone
and so that its children can be ended with it.
"""

import contextlib
import enum
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

MARK = "SUPERVISED_BY"
LAUNCHER = Path(__file__).with_name("launch.py")
LOG_LIMIT = 5_000_000  # bytes; a longer log is set aside at the next start
POLL = 0.02  # seconds between two looks at something that is about to happen


class Account(enum.StrEnum):
    """Who a child runs as."""

    OWN = "own"
    NAMESPACE = "namespace"  # an ordinary user inside, the caller outside
    NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is needed to start a child, and to start it again."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    log: Path
    account: Account = Account.OWN
    # Ends it in good order; the kernel sends the same one if the parent dies first.
    stop_signal: signal.Signals = signal.SIGTERM


def mark(data_dir: Path) -> dict[str, str]:
    """Return what each child carries in its environment, and so does all that it starts.

    By this a leftover is known as ours, and of which run. A process's number is not enough: it may
    have passed to somebody else's process meanwhile.
    """
    return {MARK: f"{data_dir}#{os.getpid()}"}


def launched(program: Program) -> tuple[str, ...]:
    """Return the command line that becomes the program, tied to this process's life."""
    return (
        *(sys.executable, "-I", "-S", str(LAUNCHER)),
        *(str(os.getpid()), str(int(program.stop_signal)), program.account),
        *program.argv,
    )


class Process:
    """A program that has been started."""

    def __init__(self, program: Program) -> None:
        self.program = program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            self._popen = subprocess.Popen(
                launched(program),
                env=dict(program.env),
                cwd=program.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def ask_to_stop(self) -> None:
        """Send the program's own stop signal, once."""
        if self.exit_code is None:
            self._popen.send_signal(self.program.stop_signal)

    def wait(self, patience: float) -> bool:
        """Return whether it ended within so many seconds; what it left behind is killed."""
        try:
            self._popen.wait(patience)
        except subprocess.TimeoutExpired:
            return False
        self._kill_group()
        return True

    def kill(self) -> None:
        """End it and all its children, at once."""
        self._kill_group()
        self._popen.wait()

    def stop(self, patience: float = 10.0) -> None:
        """Ask, wait, and kill if that did not help."""
        self.ask_to_stop()
        if not self.wait(patience):
            self.kill()

    def _kill_group(self) -> None:
        # The number cannot have passed to another group: the kernel keeps it while a member lives.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)


def wait_until(check: Callable[[], bool], *, patience: float) -> bool:
    """Look until it is so, or until so many seconds have passed; say which."""
    deadline = time.monotonic() + patience
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def set_aside(log: Path) -> None:
    """Begin a new log where the old one has grown long; one older one is kept."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))


def last_lines(log: Path, count: int = 15) -> str:
    """Return the end of a log, for a person to read."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65_536))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
