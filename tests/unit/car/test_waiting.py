"""A car that is awake has its checks held, and gives that up for whoever wants something of it."""

import asyncio
from pathlib import Path

from tests.unit.car.driving import Road, drive


async def held(here: Road, many: int) -> None:
    """Wait until the edge was asked so often by a car that has its document."""
    async with asyncio.timeout(5):
        while len(here.edge.waits) < many:  # noqa: ASYNC110 -- the edge runs beside the car
            await asyncio.sleep(0.005)


def test_it_asks_at_once_after_an_answer_that_was_held(tmp_path: Path) -> None:
    async def journey(here: Road) -> None:
        here.edge.holds = True
        here.edge.released.set()
        car = here.start(patience=7)
        await car.turn()
        assert (here.edge.waits, car.rest() > 0) == ([], True), "it had no document to wait with"
        await here.next_poll()
        assert (here.edge.waits, car.rest()) == (["wait=7"], 0)

    drive(tmp_path, journey)


def test_a_hint_has_it_ask_at_once(tmp_path: Path) -> None:
    async def journey(here: Road) -> None:
        await here.car.turn()
        assert here.car.rest() > 25
        here.car.check_soon()
        assert here.car.rest() == 0
        await here.car.turn()
        assert here.edge.calls.count("check") == 2

    drive(tmp_path, journey)


def test_an_edge_that_does_not_hold_is_asked_when_it_says(tmp_path: Path) -> None:
    async def journey(here: Road) -> None:
        car = here.start(patience=7)
        await car.turn()
        await here.next_poll()
        assert here.edge.waits == ["wait=7"]
        assert car.rest() > 25

    drive(tmp_path, journey)


def test_a_car_that_owes_a_report_does_not_wait(tmp_path: Path) -> None:
    async def journey(here: Road) -> None:
        here.edge.refuse("report", 503, times=9)
        car = here.start(patience=7)
        await car.turn()
        here.skip(31)
        await car.turn()
        assert here.edge.waits == [None]

    drive(tmp_path, journey)


def test_it_hangs_up_for_a_button(tmp_path: Path) -> None:
    async def journey(here: Road) -> None:
        here.edge.holds = True
        car = here.start(patience=7)
        await car.turn()
        turn = asyncio.ensure_future(here.next_poll())
        await held(here, 1)
        car.hang_up()
        await asyncio.wait_for(turn, 5)
        here.edge.released.set()
        assert (car.memory.problem, car.rest()) == ("", 0)
        car.hang_up()  # Nothing is held now, and nothing happens.

    drive(tmp_path, journey)


def test_a_process_that_ends_is_not_kept_by_a_wait(tmp_path: Path) -> None:
    async def journey(here: Road) -> None:
        here.edge.holds = True
        car = here.start(patience=7)
        await car.turn()
        turn = asyncio.ensure_future(here.next_poll())
        await held(here, 1)
        turn.cancel()
        await asyncio.wait({turn}, timeout=5)
        here.edge.released.set()
        assert turn.cancelled()

    drive(tmp_path, journey)
