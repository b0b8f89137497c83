"""Any order of anything, thousands of times: tests/properties with the time that it takes."""

import os
from pathlib import Path

import pytest

from tests.properties import running

SEQUENCES = int(os.environ.get("SEQUENCES", "5000"))
PARTS = 10  # each with a seed of its own


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_thousands_of_sequences_lead_where_the_policy_says(
    part: int, transactional_db, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """What tests/properties tries a few hundred times, for whoever has the night."""
    done = running.run(tmp_path, SEQUENCES // PARTS)
    with capsys.disabled():
        print(f"\n{done}")
