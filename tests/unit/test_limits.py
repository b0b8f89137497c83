"""A limit: so many at once, so many a second for long, and a wait that is long enough."""

import pytest

from fleet import limits
from fleet.limits import Counted, Limit


def taken(limit: Limit, instants: list[float]) -> list[bool]:
    """Which of those who ask at these instants get one."""
    full_at, got = 0.0, []
    for now in instants:
        wait = limit.wait(full_at, now)
        got.append(not wait)
        if not wait:
            full_at = limit.after(full_at, now)
    return got


def test_so_many_at_once_and_then_none() -> None:
    assert taken(Limit(1, 3), [100.0] * 5) == [True] * 3 + [False] * 2


def test_so_many_a_second_for_long() -> None:
    got = taken(Limit(2, 5), [100 + each / 10 for each in range(1_000)])
    assert sum(got) == pytest.approx(2 * 100 + 5, abs=1)


def test_who_waits_as_long_as_told_gets_one() -> None:
    limit = Limit(0.1, 2)
    full_at = limit.after(limit.after(0.0, 50.0), 50.0)
    wait = limit.wait(full_at, 50.0)
    assert wait >= 10
    assert limit.wait(full_at, 50.0 + wait) == 0
    assert limit.wait(full_at, 50.0 + wait - 2) > 0


def test_one_address_says_nothing_of_another() -> None:
    failures = Counted(Limit(1, 2))
    for _ in range(2):
        assert failures.wait("a", 100.0) == 0
        failures.count("a", 100.0)
    assert failures.wait("a", 100.0) > 0
    assert failures.wait("b", 100.0) == 0
    assert failures.wait("a", 103.0) == 0


def test_the_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(limits, "MOST", 10)
    failures = Counted(Limit(1, 2))
    for each in range(1_000):
        failures.count(str(each), 100.0 + each / 100)
        assert len(failures._full_at) <= 10
