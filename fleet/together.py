"""Has what many threads bring at one time done together, one batch after another.

Who comes while nothing runs begins at once, alone; who comes meanwhile is in the next batch. Nobody
is answered before the batch is done. It must never know what is done.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
MOST = 200  # in a batch; a transaction stays short


class NotDone(Exception):
    """Nobody knows whether it was done."""


class _Ticket(Generic[Item]):
    """What one thread has brought."""

    __slots__ = ("done", "error", "item")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done = False
        self.error: Exception | None = None


class Together(Generic[Item]):
    """One at a time does what all who wait have brought, each key once in a batch.

    `do` returns for each what is wrong with it; what `do` raises is raised to all of its batch.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Item]], Sequence[Exception | None]],
        key: Callable[[Item], Hashable],
    ) -> None:
        self._do, self._key = do, key
        self._waiting: list[_Ticket[Item]] = []
        self._busy = False
        self._turn = threading.Condition()

    def __call__(self, item: Item) -> None:
        """Return when it is done; raise what is wrong with it."""
        mine = _Ticket(item)
        with self._turn:
            self._waiting.append(mine)
        while batch := self._next(mine):
            self._run(batch)
        if mine.error is not None:
            raise mine.error

    def _next(self, mine: _Ticket[Item]) -> list[_Ticket[Item]]:
        """Wait for the turn and return the batch to be done; empty once `mine` is."""
        with self._turn:
            self._turn.wait_for(lambda: mine.done or not self._busy)
            if mine.done:
                return []
            self._busy = True
            first: dict[Hashable, _Ticket[Item]] = {}
            for ticket in self._waiting:
                first.setdefault(self._key(ticket.item), ticket)
            batch = list(first.values())[:MOST]
            taken = set(map(id, batch))
            self._waiting = [each for each in self._waiting if id(each) not in taken]
            return batch

    def _run(self, batch: list[_Ticket[Item]]) -> None:
        # Whatever ends this thread, nobody is told that it was done.
        errors: Sequence[Exception | None] = [NotDone("The batch came to no end.")] * len(batch)
        try:
            errors = self._do([ticket.item for ticket in batch])
        except Exception as error:  # noqa: BLE001 -- each of them raises it to whoever asked
            errors = [error] * len(batch)
        finally:
            with self._turn:
                for ticket, wrong in zip(batch, errors, strict=True):
                    ticket.error, ticket.done = wrong, True
                self._busy = False
                self._turn.notify_all()
