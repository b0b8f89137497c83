"""What many bring at one time is done together, and nobody is answered before it is."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from fleet import together
from fleet.together import NotDone, Together


class Doing:
    """Notes its batches; the first one waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.rests = 0
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[str]) -> list[str | Exception]:
        self.batches.append(list(items))
        if len(self.batches) == 1:
            self.began.set()
            assert self.go.wait(10)
        if "poison" in items:
            raise RuntimeError("all of it fails")
        return [ValueError(item) if item.startswith("bad") else item.upper() for item in items]

    def rest(self) -> None:
        self.rests += 1
        raise OSError("there is nothing left to be given back")


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(together, "GATHERED", 0.001)


def bring(doing: Doing, *items: str, let_go: bool = True) -> list[str | BaseException]:
    """Bring one that is held, then the others meanwhile; return what each was told."""

    async def all_of_it() -> list[str | BaseException]:
        gate = Together[str, str](doing, lambda item: item[:5], doing.rest)
        told = [asyncio.create_task(gate("first"))]
        assert await asyncio.to_thread(doing.began.wait, 10)
        told += [asyncio.create_task(gate(item)) for item in items]
        await asyncio.sleep(0)
        if let_go:
            answered = [each for each in told if each.done() and not each.exception()]
            assert not answered, "nobody is answered before"
            doing.go.set()
        found = await asyncio.gather(*told, return_exceptions=True)
        doing.go.set()
        await gate.close()
        return found

    return asyncio.run(all_of_it())


def test_who_comes_meanwhile_is_in_the_next_batch() -> None:
    doing = Doing()
    assert bring(doing, "a", "b", "c") == ["FIRST", "A", "B", "C"]
    assert doing.batches == [["first"], ["a", "b", "c"]]
    assert doing.rests == 1, "once nobody waits"


def test_a_key_is_once_in_a_batch_and_in_the_order_in_which_it_came() -> None:
    doing = Doing()
    assert bring(doing, "equal 1", "equal 2", "a", "equal 3")[1:] == [
        "EQUAL 1",
        "EQUAL 2",
        "A",
        "EQUAL 3",
    ]
    assert doing.batches[1:] == [["equal 1", "a"], ["equal 2"], ["equal 3"]]


def test_each_is_told_what_is_wrong_with_it_alone() -> None:
    assert [type(each) for each in bring(Doing(), "a", "bad", "b")] == [str, str, ValueError, str]


def test_what_fails_as_a_whole_fails_for_its_batch_and_the_next_goes_on(monkeypatch) -> None:
    monkeypatch.setattr(together, "MOST", 2)
    doing = Doing()
    told = bring(doing, "a", "poison", "b")
    assert [type(each) for each in told] == [str, RuntimeError, RuntimeError, str]
    assert doing.rests == 2, "a connection that has failed is not kept for the next"


def test_a_batch_has_its_bound(monkeypatch) -> None:
    monkeypatch.setattr(together, "MOST", 2)
    doing = Doing()
    bring(doing, "a", "b", "c", "d", "e")
    assert [len(batch) for batch in doing.batches] == [1, 2, 2, 1]


def test_nobody_waits_for_what_does_not_end_nor_comes_until_it_does(monkeypatch) -> None:
    monkeypatch.setattr(together, "PATIENCE", 0.05)
    doing = Doing()
    told = bring(doing, "a", "b", let_go=False)
    assert [type(each) for each in told] == [NotDone] * 3
    assert doing.batches == [["first"]], "the others were never begun"


def test_only_so_many_may_wait(monkeypatch) -> None:
    monkeypatch.setattr(together, "WAITING", 2)
    told = bring(Doing(), "a", "b", "c")
    assert [type(each) for each in told] == [str, str, str, NotDone]
