"""Processes die at the worst moments, and every journey ends as it must."""

import os
import subprocess
import sys

import pytest

from tests.running import ROOT

# How much of it: fewer for whoever only wants to see that it works.
AMOUNTS = {"journeys": "500", "kills": "200", "between": "50"}


@pytest.mark.timeout(3600)
def test_killed_processes_cost_nobody_anything(capsys: pytest.CaptureFixture) -> None:
    """See tests/nightly/kills.py; JOURNEYS, KILLS and BETWEEN in the environment say how many."""
    wanted = [f"--{name}={os.environ.get(name.upper(), usual)}" for name, usual in AMOUNTS.items()]
    command = (sys.executable, "-m", "tests.nightly.kills", *wanted)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr[-5000:]
