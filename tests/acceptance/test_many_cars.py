"""A few of the many cars: a roll-out reaches those that can ask, and each has what it should."""

import os
import re
import subprocess
import sys

import pytest

from tests.running import ROOT, Run

pytestmark = [
    pytest.mark.processes,
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(300),
]


def test_a_rollout_reaches_all_cars_that_can_ask_in_time(system: Run) -> None:
    """See tests/nightly/many.py, which does it with 10,000 cars."""
    command = (sys.executable, "-m", "tests.nightly.many", "--count=20", "--poll=2", "--slack=30")
    done = subprocess.run(
        (*command, f"--join={system.data_dir}"),
        cwd=ROOT,
        env=system.environ | {"PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Proof: 20 of 20 cars have what they should." in done.stdout
    assert "refused, for their key is not theirs 1" in done.stdout
    steps = re.findall(
        r"(begun at 50 %|halted midway|rolled back), catalogue (\d+): (\d+) cars, .*; too late 0",
        done.stdout,
    )
    catalogs = [int(catalog) for _, catalog, _ in steps]
    assert catalogs == [catalogs[0] + each for each in range(3)]
    assert all(int(running) for _, _, running in steps)
