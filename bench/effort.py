"""How much work all servers together have done: their time on a core, whoever else wanted it too.

On a busy machine this says more than the clock on the wall.
"""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_POSTGRES = "postgres"
_KEEPERS = ("valkey", _POSTGRES)


class Spent(NamedTuple):
    """Seconds of processor time: all, what Valkey and PostgreSQL have of it, and PostgreSQL."""

    all: float
    keepers: float
    postgres: float


class _Process(NamedTuple):
    name: str
    ticks: int


def spent() -> Spent:
    """What this process's present descendants have used so far."""
    ours = _ours().values()
    kept = [each.ticks for each in ours if each.name.startswith(_KEEPERS)]
    postgres = [each.ticks for each in ours if each.name.startswith(_POSTGRES)]
    every = sum(each.ticks for each in ours)
    return Spent(every / _TICKS, sum(kept) / _TICKS, sum(postgres) / _TICKS)


def move_postgres(core: int) -> None:
    """Have PostgreSQL run on this core; those of it that come later follow the first."""
    for pid, process in _ours().items():
        if process.name.startswith(_POSTGRES):
            with contextlib.suppress(ProcessLookupError):  # One that has ended meanwhile.
                os.sched_setaffinity(pid, {core})


def _ours() -> dict[int, _Process]:
    """This process's present descendants."""
    parents: dict[int, int] = {}
    found: dict[int, _Process] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name, in parentheses, may hold anything.
                name, _, rest = (folder / "stat").read_text().rpartition(")")
            except OSError:
                continue
            pid, fields = int(folder.name), rest.split()
            parents[pid] = int(fields[1])
            ticks = int(fields[11]) + int(fields[12])
            found[pid] = _Process(name.partition("(")[2], ticks)
    return {pid: each for pid, each in found.items() if _is_ours(pid, parents)}


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    while pid := parents.get(pid, 0):
        if pid == os.getpid():
            return True
    return False
