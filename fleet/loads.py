"""Reads from PostgreSQL what the site does not have: together, once each, and only so many.

All vehicles that are missed within a moment, and while a query runs, share one query; a vehicle is
never loaded twice at a time. One query runs at a time. Who would wait too long, or comes when too
many wait, is told so, and after a failure nobody asks for a moment. What was found is also written
to the site. It must never know what is done with it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, cast
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.db import Error as DatabaseFault
from django.db import close_old_connections, connection

from billing import queries
from fleet import pace, rotation, rows, snapshots
from fleet.line import Shared, Site
from fleet.snapshots import Command, Snapshot

log = structlog.get_logger()
TOGETHER = 500  # vehicles in a query
MOST = 5_000  # vehicles that may wait
PATIENCE = 5.0  # seconds for which a query is waited for
PAUSE = 1.0  # seconds after a failure in which nobody asks
GATHERING = 0.0005  # seconds from the first who waits to the query, so that others share it
REST = 1.0  # seconds after the last query for which its connection is kept


class NotNow(Exception):
    """PostgreSQL cannot be asked now, or too many ask it already."""


class ForAll(NamedTuple):
    """What holds for all cars, as the rows have it."""

    catalog: tuple[int, Any]
    pace: tuple[int, dict[str, int]]
    leases: tuple[int, dict[str, Any]]


class Known(NamedTuple):
    """A vehicle as the rows have it, and its facts as a site keeps them."""

    snapshot: Snapshot
    vin: str
    value: bytes


class _Batch:
    """What is read together: vehicles, or (None) what holds for all; who waits, waits for it."""

    __slots__ = ("done", "failed", "found", "noises", "wanted")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.wanted: list[UUID | None] = []
        self.noises: list[bytes] = []
        self.found: dict[UUID | None, Any] = {}
        self.failed = False
        self.done = Shared(loop=loop)

    def end(self, *, failed: bool = False) -> None:
        if not self.done.done():
            self.failed = failed
            self.done.set_result(None)


class Loads:
    """The loads of one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = site.loop
        self._wanted: dict[UUID | None, _Batch] = {}
        self._queue: deque[_Batch] = deque()
        self._running: asyncio.Task[None] | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self._kept = False  # whether the connection is that of an earlier query

    async def vehicle(self, vehicle_id: UUID, *, noise: bytes | None = None) -> Known | None:
        """The vehicle as the rows have it, None if there is none; `noise` is a key to be emptied.

        Raises NotNow.
        """
        return cast(Known | None, await self._wait(vehicle_id, noise))

    async def for_all(self, *, noise: bytes | None = None) -> ForAll:
        """The catalogue, the pace and the keys' schedule by the rows. Raises NotNow."""
        return cast(ForAll, await self._wait(None, noise))

    async def close(self) -> None:
        """Let what runs come to its end, and give the connection back."""
        while self._running is not None or self._rest is not None:
            await (self._running or self._start())

    async def _wait(self, wanted: UUID | None, noise: bytes | None) -> Any:
        batch = self._wanted.get(wanted)
        if batch is None:
            if self._loop.time() < self._not_before or len(self._wanted) >= MOST:
                raise NotNow("PostgreSQL is away, or too many ask it.")
            batch = self._wanted[wanted] = self._open(wanted)
            batch.wanted.append(wanted)
            if self._running is None:
                self._start()
        if noise:
            batch.noises.append(noise)
        await batch.done
        if batch.failed:
            raise NotNow("PostgreSQL is away, or too many ask it.")
        return batch.found.get(wanted)

    def _open(self, wanted: UUID | None) -> _Batch:
        """The batch to be joined: the last one, or a new one; what holds for all is read first."""
        last = self._queue[-1] if self._queue else None
        if wanted and last and len(last.wanted) < TOGETHER and last.wanted != [None]:
            return last
        batch = _Batch(self._loop)
        if wanted:
            self._queue.append(batch)
        else:
            self._queue.appendleft(batch)
        return batch

    def _start(self) -> asyncio.Task[None]:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        self._running = self._loop.create_task(self._run())
        return self._running

    async def _run(self) -> None:
        """Load until nobody waits; those who come meanwhile are the next.

        The connection is given back when nobody has come for a while: to take one, and to look
        whether it lives, costs more than a query.
        """
        try:
            idle = not self._queue
            if idle:
                self._kept = False
                await sync_to_async(refresh_connection)()
            while self._queue:
                idle = False
                if self._queue[0].wanted != [None]:
                    await asyncio.sleep(GATHERING)
                await self._load(self._queue.popleft())
            if not idle:
                self._rest = self._loop.call_later(REST, self._start)
        finally:
            self._running = None

    async def _load(self, batch: _Batch) -> None:
        commands: list[Command] = []
        failed = False
        late = self._loop.call_later(PATIENCE, self._give_up, batch)
        try:
            batch.found, commands = await self._ask([each for each in batch.wanted if each])
            self._not_before = 0.0
        except Exception as error:  # Whatever it is, those who wait are to be told.
            failed = True
            self._not_before = self._loop.time() + PAUSE
            if isinstance(error, DatabaseFault):
                log.warning("nothing_to_load_from", error=str(error))
            else:
                log.exception("load_failed")
        finally:
            late.cancel()
        for each in batch.wanted:
            self._wanted.pop(each, None)
        batch.end(failed=failed)
        await self._store(batch, commands)

    async def _ask(self, these: Sequence[UUID]) -> tuple[dict[UUID | None, Any], list[Command]]:
        """Read, and once more if the connection was kept: it may have died meanwhile."""
        kept, self._kept = self._kept, False
        try:
            read = await sync_to_async(_read)(these)
        except DatabaseFault:
            if not kept:
                raise
            read = await sync_to_async(_read)(these)
        self._kept = True
        return read

    async def _store(self, batch: _Batch, commands: list[Command]) -> None:
        """Write to the site what it lacked; whether it can be written changes no answer.

        Who waits for an answer does not wait for this: questions after it are on the same line.
        """
        noises: list[Command] = [("DEL", noise) for noise in batch.noises]
        if not noises and not commands:
            return
        stored = self._site.ask([*noises, *commands])
        await stored.done
        if stored.away:
            return
        filled = zip(batch.found.values(), stored.replies[-len(batch.found) :], strict=False)
        # Where something lies already it is the site that compares which is newer.
        there = [known.snapshot for known, reply in filled if reply is None]
        if there:
            await self._site.ask(snapshots.commands(there)).done

    def _give_up(self, batch: _Batch) -> None:
        """Nobody waits for a query that does not end, and nobody begins to until it does."""
        log.warning("postgresql_is_late")
        self._not_before = float("inf")
        for each in (batch, *self._queue):
            each.end(failed=True)
        self._queue.clear()
        self._wanted.clear()


def _read(vehicle_ids: Sequence[UUID]) -> tuple[dict[UUID | None, Any], list[Command]]:
    """One query, and what stores its result at the site; without vehicles, what holds for all.

    The connection is kept for the next, until nobody waits: to take one and look whether it lives
    costs more than the query.
    """
    try:
        if vehicle_ids:
            known = [Known(*each, snapshots.value(each[0])) for each in rows.find(vehicle_ids)]
            return {each.snapshot.vehicle_id: each for each in known}, snapshots.filling(
                [(each.snapshot, each.value) for each in known]
            )
        every = ForAll(queries.catalog_document(), pace.current(), rotation.current())
    except BaseException:
        refresh_connection()
        raise
    return {None: every}, [
        *snapshots.document_commands(snapshots.LEASES, *every.leases),
        *snapshots.document_commands(snapshots.CATALOG, *every.catalog),
        *snapshots.document_commands(snapshots.PACE, *every.pace),
    ]


def refresh_connection() -> None:
    """Give a connection back, and drop one that died, as Django does around its own requests.

    The edge answers ahead of Django. Within a caller's transaction the connection is the caller's.
    """
    if not connection.in_atomic_block:
        close_old_connections()
