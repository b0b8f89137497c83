"""Whose processor time it was: seconds on a core, by what each process of a system is.

On a busy machine this says more than the clock on the wall.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
# What a command line holds, the first that fits; PostgreSQL's children write their own.
_KINDS = {
    "valkey": "Valkey",
    "postgres": "PostgreSQL",
    "sandbox.car --count": "cars",
    "connectivity.edge": "edge",
    "celery": "Celery",
}
_OTHERS = "others"


def spent() -> Counter[str]:
    """What this process's present descendants have used so far, by kind."""
    parents: dict[int, int] = {}
    used: dict[int, tuple[str, float]] = {}
    for pid, parent, kind, seconds in _processes():
        parents[pid], used[pid] = parent, (kind, seconds)
    found: Counter[str] = Counter()
    for pid, (kind, seconds) in used.items():
        if _is_ours(pid, parents):
            found[kind] += seconds  # type: ignore[assignment] # a counter of seconds
    return found


def _processes() -> Iterator[tuple[int, int, str, float]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                name, _, rest = (folder / "stat").read_text().rpartition(")")
                words = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # It has ended meanwhile.
            fields = rest.split()
            said = f"{name.partition('(')[2]} {words}"
            kind = next((kind for word, kind in _KINDS.items() if word in said), _OTHERS)
            yield int(folder.name), int(fields[1]), kind, sum(map(int, fields[11:13])) / _TICKS


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    while pid := parents.get(pid, 0):
        if pid == os.getpid():
            return True
    return False
