"""Processes die at the worst moments, and every journey ends as it must."""

import subprocess
import sys

import pytest

from tests.running import ROOT


@pytest.mark.timeout(1800)
def test_killed_processes_cost_nobody_anything() -> None:
    numbers = ("--journeys", "500", "--kills", "200", "--between", "50")
    command = (sys.executable, "-m", "tests.nightly.kills", *numbers)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-5000:]}"
