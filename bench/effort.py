"""How much work all servers together have done: their time on a core, whoever else wanted it too.

On a busy machine this says more than the clock on the wall.
"""

import os
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_KEEPERS = ("valkey", "postgres")


class Spent(NamedTuple):
    """Seconds of processor time: all, and what Valkey and PostgreSQL have of it."""

    all: float
    keepers: float


def spent() -> Spent:
    """What this process's present descendants have used so far."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    keepers = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # The name, in parentheses, may hold anything.
                name, _, rest = (folder / "stat").read_text().rpartition(")")
            except OSError:
                continue
            pid, fields = int(folder.name), rest.split()
            parents[pid] = int(fields[1])
            used[pid] = int(fields[11]) + int(fields[12])
            if name.partition("(")[2].startswith(_KEEPERS):
                keepers.add(pid)
    ours = [pid for pid in used if _is_ours(pid, parents)]
    every = sum(used[pid] for pid in ours)
    return Spent(every / _TICKS, sum(used[pid] for pid in ours if pid in keepers) / _TICKS)


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    while pid := parents.get(pid, 0):
        if pid == os.getpid():
            return True
    return False
