"""How a fleet looks in a terminal."""

import time

from sandbox.car import table


def test_rates_look_back_ten_seconds_and_quantiles_are_sorted():
    now = time.monotonic()
    tally = table.Tally(started_at=now - 100)
    for took in (0.003, 0.001, 0.002, 0.050):
        tally.count("check", 304, took)
    tally.count("check", None, 9.0)
    tally.count("token", 200, 9.0)
    rate, times = tally.recent(time.monotonic())
    assert round(rate, 1) == 0.4
    assert times == [0.001, 0.002, 0.003, 0.050]
    assert tally.checks() == 4
    lines = table.render([], tally, time.monotonic())
    assert lines[0].startswith("0 cars for 1:4")
    assert "  check    304 4   no answer 1" in lines
    assert any("p50 2 ms, p99 3 ms" in line for line in lines)
    assert tally.recent(now + 60)[1] == []


def test_no_line_is_wider_than_a_terminal():
    tally = table.Tally(started_at=time.monotonic())
    for status in range(200, 260):
        tally.count("check", status, 0.1)
    assert max(len(line) for line in table.render([], tally, time.monotonic())) <= 100
