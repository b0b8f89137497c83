"""Ten thousand cars hear of a roll-out in time, and each has what it should in the end."""

import os
import subprocess
import sys

import pytest

from tests.running import ROOT


@pytest.mark.timeout(3600)
def test_a_rollout_reaches_ten_thousand_cars(capsys: pytest.CaptureFixture) -> None:
    """See tests/nightly/many.py; CARS and POLL in the environment say how many, how often."""
    wanted = (
        f"--count={os.environ.get('CARS', '10000')}",
        f"--poll={os.environ.get('POLL', '60')}",
    )
    command = (sys.executable, "-m", "tests.nightly.many", *wanted)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr[-5000:]
