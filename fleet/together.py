"""Has what many bring at one time done together, one batch after another, beside one event loop.

Who comes first waits a moment for others; who comes while a batch runs is in the next. Nobody is
answered before the batch is done, nor kept waiting without an end. It must never know what is done.
"""

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")
GATHERED = 0.05  # seconds for which those who come are gathered: a batch costs as much as one of it
MOST = 200  # in a batch; a transaction stays short
WAITING = 5_000  # that may wait
PATIENCE = 5.0  # seconds for which a batch is waited for


class NotDone(Exception):
    """Nobody knows whether it was done."""


class _Ticket(NamedTuple, Generic[Item, Done]):
    """What somebody has brought, and where they wait."""

    item: Item
    done: "asyncio.Future[Done]"


class Together(Generic[Item, Done]):
    """One thread does what all who wait have brought, each key once in a batch.

    `do` returns for each what came of it, an exception if that is an error; what `do` raises is
    raised to all of its batch. `rest` is called in the same thread when nobody waits any more.
    """

    def __init__(
        self,
        do: Callable[[Sequence[Item]], Sequence[Done | Exception]],
        key: Callable[[Item], Hashable],
        rest: Callable[[], None],
    ) -> None:
        self._do, self._key, self._rest = do, key, rest
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "together")
        self._waiting: list[_Ticket[Item, Done]] = []
        self._running: asyncio.Task[None] | None = None
        self._is_late = False

    async def __call__(self, item: Item) -> Done:
        """Return what came of it, once it is done. Raises what is wrong with it, or NotDone."""
        if self._is_late or len(self._waiting) >= WAITING:
            raise NotDone("What was brought before is late, or too much waits.")
        mine = _Ticket[Item, Done](item, self._loop.create_future())
        self._waiting.append(mine)
        if self._running is None:
            self._running = self._loop.create_task(self._run())
        return await mine.done

    async def close(self) -> None:
        """Let what runs come to its end."""
        if self._running is not None:
            await self._running
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        """Do until nobody waits."""
        try:
            while self._waiting:
                if len(self._waiting) < MOST:
                    await asyncio.sleep(GATHERED)
                await self._do_all(self._next())
                if not self._waiting:
                    await self._set_down()
        finally:
            self._running = None

    def _next(self) -> list[_Ticket[Item, Done]]:
        """Who is in the next batch: each key once, in the order in which they came."""
        first: dict[Hashable, _Ticket[Item, Done]] = {}
        for ticket in self._waiting:
            first.setdefault(self._key(ticket.item), ticket)
        batch = list(first.values())[:MOST]
        taken = set(map(id, batch))
        self._waiting = [each for each in self._waiting if id(each) not in taken]
        return batch

    async def _do_all(self, batch: Sequence[_Ticket[Item, Done]]) -> None:
        # Whatever ends the thread's work, nobody is told that it was done.
        found: Sequence[Done | Exception] = [NotDone("The batch came to no end.")] * len(batch)
        late = self._loop.call_later(PATIENCE, self._give_up, batch)
        try:
            items = [ticket.item for ticket in batch]
            found = await self._loop.run_in_executor(self._thread, self._do, items)
        except Exception as error:  # noqa: BLE001 -- each of them raises it to whoever asked
            found = [error] * len(batch)
            await self._set_down()
        finally:
            late.cancel()
            self._is_late = False
            for ticket, each in zip(batch, found, strict=True):
                _end(ticket, each)

    async def _set_down(self) -> None:
        # What cannot be given back is found broken by the next batch, which says so.
        with contextlib.suppress(Exception):
            await self._loop.run_in_executor(self._thread, self._rest)

    def _give_up(self, batch: Sequence[_Ticket[Item, Done]]) -> None:
        """Nobody waits for a batch that does not end, and nobody comes until it does."""
        self._is_late = True
        for ticket in (*batch, *self._waiting):
            _end(ticket, NotDone("It takes too long."))
        self._waiting.clear()


def _end(ticket: _Ticket[Item, Done], found: Done | Exception) -> None:
    if ticket.done.done():  # Given up, or whoever waited has gone.
        return
    if isinstance(found, Exception):
        ticket.done.set_exception(found)
    else:
        ticket.done.set_result(found)
