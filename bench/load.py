"""Asks a server as fast as it answers, with wrk on a core of its own."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import effort

SCRIPT = Path(__file__).with_name("load.lua")


class Missing(Exception):
    """A program that measures is not on this machine; the message says how to get it."""


@dataclass(frozen=True)
class Shot:
    """What some seconds of load have shown.

    Times to the answer in milliseconds; `effort` is the processor time of all servers for one
    answer, in microseconds, `kept` what Valkey and PostgreSQL have of it, and `asked` PostgreSQL.
    """

    rate: float
    requests: int
    refused: int
    broken: int
    p50: float
    p99: float
    effort: float
    kept: float
    asked: float


def require() -> None:
    """Raise Missing if there is nothing to make load with."""
    if shutil.which("wrk") is None:
        raise Missing("wrk is not installed, and without it nothing is measured: apt install wrk")


def fire(
    url: str, requests: Path, *, core: int, seconds: float, connections: int = 64, first: int = 0
) -> Shot:
    """Send what is in the file, line by line from `first` on, over so many connections."""
    command = (
        *("taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s"),
        *("--timeout", "20s", "-s", str(SCRIPT), url, "--", str(requests), str(first)),
    )
    before = effort.spent()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not found:
        raise RuntimeError(f"wrk did not measure {url}:\n{done.stdout}{done.stderr}")
    after = effort.spent()
    told = json.loads(found[0].removeprefix("RESULT "))
    each = 1e6 / max(1, told["requests"])
    return Shot(
        rate=told["requests"] / (told["microseconds"] / 1e6),
        requests=told["requests"],
        refused=told["refused"],
        broken=told["broken"] + told["late"],
        p50=told["p50"] / 1000,
        p99=told["p99"] / 1000,
        effort=(after.all - before.all) * each,
        kept=(after.keepers - before.keepers) * each,
        asked=(after.postgres - before.postgres) * each,
    )


def middle(shots: "list[Shot]", name: str) -> float:
    """The median of one of the figures."""
    return float(median(getattr(shot, name) for shot in shots))


def against(shots: "list[Shot]", others: "list[Shot]", name: str = "rate") -> float:
    """The median of the ratios to what was measured in the same rounds."""
    pairs = zip(shots, others, strict=True)
    return float(median(getattr(one, name) / getattr(other, name) for one, other in pairs))
