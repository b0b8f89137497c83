"""Decides which tests one worker runs together; must never know what they test.

# Note [Groups, by the file]
Tests that are marked with a group share something that takes long to start, such as all processes
of `make run`, or they keep two processors busy and would disturb each other. xdist's own
`--dist loadgroup` keeps them on one worker by what a worker adds to their names; since pytest 9.2
those names stay as they are, and every worker starts everything. So the scheduler reads the marks
where they stand: at the head of a file.
https://github.com/pytest-dev/pytest-xdist/issues/1386
"""

import functools
import re
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]
_MARK = re.compile(r'\bxdist_group\("([^"]+)"\)')


class Sharing(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Groups first, the largest before the others; then one test at a time, to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid.partition("::")[0]) or nodeid


@functools.cache
def group(path: str) -> str:
    """The group of a file's tests, or nothing."""
    file = ROOT / path
    found = _MARK.search(file.read_text()) if file.is_file() else None
    return found[1] if found else ""
