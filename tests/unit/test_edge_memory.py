"""What is left behind in circles does not pile up at an edge."""

import asyncio
import gc
import weakref
from collections.abc import Iterator

import pytest

from connectivity import edge


class Thing:
    """Something in a circle, as each request through Django is."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def old(thing: Thing) -> "weakref.ref[Thing]":
    """Let it grow as old as what has lived through all rounds but the last."""
    gc.collect(0)
    gc.collect(1)
    return weakref.ref(thing)


def test_what_a_request_leaves_is_found_by_the_next_round() -> None:
    async def live() -> bool:
        edge._collect_in_rounds()
        left = old(Thing())
        edge._collect(1)
        return left() is None

    assert asyncio.run(live())


def test_what_was_in_use_in_a_round_is_found_within_the_hour() -> None:
    async def live() -> list[bool]:
        thing = Thing()
        edge._collect(1)
        left = weakref.ref(thing)
        del thing
        edge._collect(2)
        found = [left() is None]
        edge._collect(edge.HOUR // edge.ROUND)
        return [*found, left() is None]

    assert asyncio.run(live()) == [False, True]


def test_rounds_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    async def live() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "call_later", lambda delay, *_: seen.append(delay))
        edge._collect_in_rounds()
        edge._collect(7)

    asyncio.run(live())
    assert seen == [edge.ROUND, edge.ROUND]
