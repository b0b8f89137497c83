"""Decides what happens to a group of children over time: started, restarted, stopped in order.

Must never know what they are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from connectivity.local.errors import CannotStart
from connectivity.local.process import POLL, Process, Program, last_lines

FIRST_DELAY = 0.5  # seconds; doubled at each death
LONGEST_DELAY = 30.0
STEADY = 30.0  # seconds: who has lived so long begins again at the first delay
PATIENCE = 8.0  # seconds for each rank to stop by itself


@dataclass
class Member:
    """One child, over all its lives."""

    make: Callable[[], Program]
    rank: int
    process: Process
    started_at: float = field(default_factory=time.monotonic)
    deaths: int = 0
    due_at: float | None = None

    @property
    def name(self) -> str:
        """The program's name."""
        return self.process.program.name

    def delay(self) -> float:
        """Return the seconds until the next try."""
        return min(FIRST_DELAY * 2.0 ** (self.deaths - 1), LONGEST_DELAY)


class Crew:
    """Children that are kept alive until they are asked to stop."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._members: list[Member] = []

    def add(self, make: Callable[[], Program], *, rank: int) -> Process:
        """Start one. A higher rank needs the lower ones, so it is stopped before them."""
        member = Member(make, rank, Process(make()))
        self._members.append(member)
        return member.process

    def require_all(self) -> None:
        """Raise CannotStart, with its last words, for one that has ended."""
        for member in self._members:
            code = member.process.exit_code
            if code is not None:
                log = member.process.program.log
                raise CannotStart(
                    f"{member.name} ended ({told(code)}); the end of {log}:\n{last_lines(log)}"
                )

    def tend(self) -> None:
        """Say who has died, and start again those whose time has come."""
        now = time.monotonic()
        for member in self._members:
            if member.due_at is None and member.process.exit_code is not None:
                self._note_death(member, now)
            elif member.due_at is not None and now >= member.due_at:
                self._start_again(member, now)

    def stop(self, impatient: Callable[[], bool]) -> None:
        """Stop all, the highest rank first; kill what is slow, or all once `impatient` says so."""
        for rank in sorted({member.rank for member in self._members}, reverse=True):
            processes = [member.process for member in self._members if member.rank == rank]
            for process in processes:
                process.ask_to_stop()
            deadline = time.monotonic() + PATIENCE
            while any(process.exit_code is None for process in processes):
                if impatient() or time.monotonic() > deadline:
                    break
                time.sleep(POLL)
            for process in processes:
                process.kill()

    def _note_death(self, member: Member, now: float) -> None:
        code = member.process.exit_code or 0
        member.process.kill()
        member.deaths = 1 if now - member.started_at > STEADY else member.deaths + 1
        member.due_at = now + member.delay()
        self._say(
            f"{member.name} ended ({told(code)}), see {member.process.program.log}; "
            f"it is started again in {member.delay():g} s"
        )

    def _start_again(self, member: Member, now: float) -> None:
        try:
            member.process = Process(member.make())
        except CannotStart as problem:
            self._say(f"{member.name} cannot be started: {problem}")
            member.deaths += 1
            member.due_at = now + member.delay()
            return
        member.started_at, member.due_at = now, None


def told(code: int) -> str:
    """Return an exit status in words."""
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
