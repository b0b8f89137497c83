"""Says on which machine, and under which load of others, something was measured."""

import os
import platform
from pathlib import Path


def note() -> str:
    """One line for the head of a table."""
    return (
        f"{os.cpu_count()} cores ({_processor()}), {_memory()} GB, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}; load before: {load()}"
    )


def load() -> str:
    """How many processes wanted a core, over 1, 5 and 15 minutes."""
    return ", ".join(f"{average:.1f}" for average in os.getloadavg())


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
