"""What many threads bring at one time is done together, and nobody is answered before it is."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet import together
from fleet.together import Together


class Doing:
    """Notes its batches; the first one waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, items: Sequence[str]) -> list[Exception | None]:
        self.batches.append(list(items))
        if len(self.batches) == 1:
            self.began.set()
            assert self.go.wait(10)
        if "poison" in items:
            raise RuntimeError("all of it fails")
        return [ValueError(item) if item.startswith("bad") else None for item in items]


def bring(doing: Doing, *items: str) -> list[BaseException | None]:
    """Bring one that is held, then the others meanwhile; return what each was told."""
    gate: Together[str] = Together(doing, key=lambda item: item[:5])
    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(gate, "first")
        assert doing.began.wait(10)
        rest = [pool.submit(gate, item) for item in items]
        deadline = threading.Event()
        while len(gate._waiting) < len(items):
            deadline.wait(0.001)
        assert not any(each.done() for each in [first, *rest]), "nobody is answered before"
        doing.go.set()
        return [each.exception(10) for each in [first, *rest]]


def test_who_comes_meanwhile_is_in_the_next_batch() -> None:
    doing = Doing()
    assert bring(doing, "a", "b", "c") == [None] * 4
    assert [sorted(batch) for batch in doing.batches] == [["first"], ["a", "b", "c"]]


def test_a_key_is_once_in_a_batch_and_in_the_order_in_which_it_came() -> None:
    doing = Doing()
    assert bring(doing, "a", "equal", "equal", "equal") == [None] * 5
    assert [batch.count("equal") for batch in doing.batches] == [0, 1, 1, 1]


def test_each_is_told_what_is_wrong_with_it_alone() -> None:
    told = bring(Doing(), "a", "bad 1", "b")
    assert [type(each) for each in told] == [type(None), type(None), ValueError, type(None)]


def test_what_fails_as_a_whole_fails_for_its_batch_and_the_next_goes_on() -> None:
    doing = Doing()
    told = bring(doing, "a", "poison")
    assert told[0] is None
    assert [type(each) for each in told[1:]] == [RuntimeError] * 2
    gate: Together[str] = Together(doing, key=str)
    gate("later")
    with pytest.raises(RuntimeError):
        gate("poison")
    gate("and later")


def test_nobody_is_told_that_it_was_done_by_a_thread_that_was_ended() -> None:
    class Ended(Doing):
        def __call__(self, items: Sequence[str]) -> list[Exception | None]:
            super().__call__(items)
            if "ended" in items:
                raise SystemExit
            return [None] * len(items)

    told = bring(Ended(), "ended", "other")
    assert {type(each) for each in told[1:]} == {SystemExit, together.NotDone}


def test_a_batch_has_its_bound(monkeypatch) -> None:
    monkeypatch.setattr(together, "MOST", 2)
    doing = Doing()
    assert bring(doing, "a", "b", "c", "d", "e") == [None] * 6
    assert [len(batch) for batch in doing.batches] == [1, 2, 2, 1]
