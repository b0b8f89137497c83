"""Two thousand cars; tests/nightly has a hundred thousand."""

import pytest

from tests.reference import running

pytestmark = pytest.mark.django_db
CARS = 2_000


def test_the_edge_says_what_follows_from_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    tally = running.run(CARS, 1, monkeypatch)
    assert not tally.wrong, "\n".join(tally.wrong[:5])
    assert tally.counts["asked"] == 3 * CARS
    missing = running.expected_kinds() - set(tally.counts)
    assert not missing, "a run that does not meet these proves nothing of them"
