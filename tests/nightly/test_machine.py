"""Any order of anything, thousands of times: tests/properties with the time that it takes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.properties import running
from tests.properties.tally import Tally

SEQUENCES = int(os.environ.get("SEQUENCES", "5000"))
STEPS = int(os.environ.get("STEPS", "15"))
PARTS = 10  # each with a seed of its own


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_thousands_of_sequences_lead_where_the_policy_says(
    part: int, total: Tally, transactional_db, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """What tests/properties tries a few hundred times, for whoever has the night."""
    tally = Tally()
    try:
        done = running.run(tmp_path, part, SEQUENCES // PARTS, STEPS, tally)
    finally:
        total.add(tally)
    with capsys.disabled():
        print(f"\n{done}")
    assert not tally.idle(), "These acts prove nothing, for they never change anything."


@pytest.fixture(scope="module")
def total(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """What all of them did; told at the end, whether or not one of them failed."""
    total = Tally()
    yield total
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{total.table()}")
