"""A data centre that was away for a minute of real changes has all of them afterwards."""

import os
import subprocess
import sys

import pytest

from tests.running import ROOT


@pytest.mark.timeout(600)
def test_a_site_that_was_cut_off_catches_up_and_loses_nothing(
    capsys: pytest.CaptureFixture,
) -> None:
    """See tests/nightly/cut_off.py; CUT_OFF in the environment says for how many seconds."""
    wanted = f"--seconds={os.environ.get('CUT_OFF', '60')}"
    command = (sys.executable, "-m", "tests.nightly.cut_off", wanted)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr[-5000:]
