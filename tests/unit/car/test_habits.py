"""What happens to the cars of a fleet, by lot."""

import random

import pytest

from sandbox.car.habits import Habits, is_forged


def drawn(seed: int = 1, count: int = 1000) -> list[Habits]:
    return [Habits.drawn(at, random.Random(f"{seed} {at}")) for at in range(count)]


def test_the_same_seed_is_the_same_fleet_and_another_is_not() -> None:
    assert drawn() == drawn()
    assert drawn() != drawn(seed=2)


def test_a_fleet_has_all_kinds_of_cars() -> None:
    fleet = drawn()
    for name in ("waits", "sleeps", "tunnels", "restarts", "worn", "flat_battery"):
        assert 10 < sum(getattr(car, name) for car in fleet) < 990, name
    assert sum(car.drift > 0 for car in fleet) > 50 < sum(car.drift < 0 for car in fleet)


def test_a_car_with_a_bad_key_is_one_whatever_the_seed() -> None:
    for seed in (1, 2):
        forged = [at for at, car in enumerate(drawn(seed)) if car.forged]
        assert forged == [at for at in range(1000) if is_forged(at)]
        assert len(forged) == 10


def test_a_clock_that_drifts_is_off_by_its_days_and_goes_on_drifting() -> None:
    time = 1_000_000.0
    habits = Habits(drift=20.0, unset=30.0)
    clock = habits.clock(lambda: time, driven_since=time)
    assert clock() - time == pytest.approx(600)
    time += 86_400
    assert clock() - time == pytest.approx(620)


def test_a_clock_with_a_flat_battery_begins_in_1970_at_each_start() -> None:
    time = 1_000_000.0
    habits = Habits(flat_battery=True)
    first = habits.clock(lambda: time, driven_since=0)
    time += 50
    second = habits.clock(lambda: time, driven_since=0)
    assert (first(), second()) == (50, 0)
