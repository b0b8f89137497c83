"""Deliveries survive that processes are killed, and that a site loses its last seconds."""

import os
import subprocess
import sys

import pytest

from tests.running import ROOT


@pytest.mark.timeout(1800)
def test_killed_processes_lose_no_delivery(capsys: pytest.CaptureFixture) -> None:
    """See tests/nightly/delivery_kills.py; DELIVERIES in the environment says how many."""
    _run(capsys, "delivery_kills", f"--deliveries={os.environ.get('DELIVERIES', '10000')}")


@pytest.mark.timeout(600)
def test_a_promoted_replica_that_lacks_seconds_is_repaired(capsys: pytest.CaptureFixture) -> None:
    """See tests/nightly/promotion.py."""
    _run(capsys, "promotion")


def _run(capsys: pytest.CaptureFixture, module: str, *arguments: str) -> None:
    command = (sys.executable, "-m", f"tests.nightly.{module}", *arguments)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr[-5000:]
