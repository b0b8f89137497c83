"""A hundred thousand cars at three instants each: tests/reference with the time that it takes."""

import os

import pytest

from tests.reference import running

CARS = int(os.environ.get("CARS", "100000"))
PARTS = 5  # each with a seed of its own


@pytest.mark.timeout(3600)
@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(2, 2 + PARTS))
def test_the_edge_says_what_follows_from_the_rows(
    seed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    tally = running.run(CARS // PARTS, seed, monkeypatch)
    with capsys.disabled():
        print("\n" + "\n".join(tally.lines()))
    assert not tally.wrong, "\n".join(tally.wrong[:5])
    assert tally.counts["vehicles"] == CARS // PARTS
    assert not running.expected_kinds() - set(tally.counts)
