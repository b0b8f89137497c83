"""Decides what an embedded server is to those who run one; must never know which it is."""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from connectivity.local.errors import CannotStart
from connectivity.local.process import Process, Program, last_lines, wait_until

PATIENCE = 60.0  # seconds: recovery after a crash takes its time


class Server(Protocol):
    """Something that is started, waited for, and used at a URL."""

    @property
    def url(self) -> str:
        """Where it is reached."""

    def prepare(self) -> Program:
        """Make what it needs on disk and return what starts it; raises CannotStart."""

    def ready(self) -> bool:
        """Whether it answers."""

    def forget(self) -> None:
        """Remove what lies outside the data directory, once it is gone."""


@contextlib.contextmanager
def running(server: Server) -> Iterator[None]:
    """Run it for as long as the block lasts; raises CannotStart."""
    process = Process(server.prepare())
    try:
        await_answer(server, process)
        yield
    finally:
        process.stop()
        server.forget()


def await_answer(server: Server, process: Process) -> None:
    """Return when it answers; raise CannotStart, with its last words, when it does not."""
    wait_until(lambda: server.ready() or process.exit_code is not None, patience=PATIENCE)
    if process.exit_code is not None or not server.ready():
        program = process.program
        raise CannotStart(f"{program.name} did not start:\n{last_lines(program.log)}")
