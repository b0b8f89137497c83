"""What time it is in a car."""

from sandbox.car.timekeeping import CarClock


class Times:
    """A wall clock and an uptime that a test sets."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.uptime = 50.0

    def clock(self, **start: float) -> CarClock:
        return CarClock(lambda: self.wall, uptime=lambda: self.uptime, **start)


def test_a_car_with_a_good_clock_goes_by_it():
    times = Times()
    clock = times.clock()
    clock.witness(999_000)
    assert clock.now() == 1_000_000
    times.wall += 30
    assert clock.now() == 1_000_030


def test_setting_the_clock_back_takes_nothing_back():
    times = Times()
    clock = times.clock()
    clock.witness(1_000_000)
    times.wall = 0
    times.uptime += 100
    assert clock.now() == 1_000_100


def test_the_floor_is_never_lowered_by_what_is_witnessed():
    clock = Times().clock()
    clock.witness(2_000_000)
    clock.witness(1_500_000)
    clock.witness(None)
    assert clock.now() == 2_000_000


def test_a_saved_floor_goes_on_after_a_restart():
    times = Times()
    times.wall = 0
    clock = times.clock(floor=5_000)
    times.uptime += 7
    assert clock.now() == 5_007
    assert clock.floor == 5_007


def test_the_car_s_own_clock_never_raises_the_floor():
    times = Times()
    clock = times.clock()
    clock.witness(1_000_000)
    times.wall = 9_000_000
    assert clock.now() == 9_000_000
    assert clock.floor == 1_000_000
    times.wall = 1_000_001
    assert clock.now() == 1_000_001


def test_a_clock_that_runs_ahead_is_corrected_backwards():
    times = Times()
    clock = times.clock()
    clock.correct(400_000)
    assert clock.now() == 400_000
    assert clock.offset == -600_000
    times.wall += 5
    assert clock.now() == 400_005
