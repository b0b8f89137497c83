"""Any order of anything, a few hundred times; tests/nightly tries thousands."""

import os
from pathlib import Path

import pytest

from tests.properties import running

SEQUENCES = int(os.environ.get("SEQUENCES", "300"))
PARTS = 2  # so that two workers share them


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", range(PARTS))
def test_what_was_promised_is_what_the_car_is_told(
    part: int, transactional_db, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Owners, staff, Stripe, clock and network in any order lead where the policy says."""
    done = running.run(tmp_path, SEQUENCES // PARTS)
    with capsys.disabled():
        print(f"\n{done}")  # noqa: T201 -- the seed and the pace are for the reader
