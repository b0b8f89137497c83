"""Reads from PostgreSQL what the site does not have: together, once each, and only so many.

All vehicles that are missed in one loop turn, and while a query runs, share one query; a vehicle is
never loaded twice at a time. One query runs at a time. Who would wait too long, or comes when too
many wait, is told so, and after a failure nobody asks for a moment. What was found is also written
to the site. It must never know what is done with it.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, cast
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.db import Error as DatabaseFault
from django.db import close_old_connections, connection

from billing import queries
from fleet import pace, rotation, rows, snapshots
from fleet.line import Round, Shared, Site
from fleet.rows import Known
from fleet.snapshots import Command

log = structlog.get_logger()
TOGETHER = 500  # vehicles in a query
MOST = 5_000  # vehicles that may wait
PATIENCE = 5.0  # seconds for which a query is waited for
PAUSE = 1.0  # seconds after a failure in which nobody asks


class NotNow(Exception):
    """PostgreSQL cannot be asked now, or too many ask it already."""


class ForAll(NamedTuple):
    """What holds for all cars, as the rows have it."""

    catalog: tuple[int, Any]
    pace: tuple[int, dict[str, int]]
    leases: tuple[int, dict[str, Any]]


class _Want:
    """Something that is waited for; None if there is no such vehicle."""

    __slots__ = ("done", "failed", "found", "noise")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.done = Shared(loop=loop)
        self.found: Any = None
        self.failed = False
        self.noise: bytes | None = None

    def end(self, *, failed: bool = False) -> None:
        if not self.done.done():
            self.failed = failed
            self.done.set_result(None)


class Loads:
    """The loads of one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = site.loop
        self._wanted: dict[UUID | None, _Want] = {}
        self._queue: list[UUID | None] = []
        self._running: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def vehicle(self, vehicle_id: UUID, *, noise: bytes | None = None) -> Known | None:
        """The vehicle as the rows have it, None if there is none; `noise` is a key to be emptied.

        Raises NotNow.
        """
        return cast(Known | None, await self._wait(vehicle_id, noise))

    async def for_all(self, *, noise: bytes | None = None) -> ForAll:
        """The catalogue, the pace and the keys' schedule by the rows. Raises NotNow."""
        return cast(ForAll, await self._wait(None, noise))

    async def close(self) -> None:
        """Let what runs come to its end."""
        if self._running is not None:
            await self._running

    async def _wait(self, wanted: UUID | None, noise: bytes | None) -> Any:
        want = self._wanted.get(wanted)
        if want is None:
            if self._loop.time() < self._not_before or len(self._wanted) >= MOST:
                raise NotNow("PostgreSQL is away, or too many ask it.")
            want = self._wanted[wanted] = _Want(self._loop)
            self._queue.append(wanted)
            if self._running is None:
                self._running = self._loop.create_task(self._run())
        want.noise = noise or want.noise
        await want.done
        if want.failed:
            raise NotNow("PostgreSQL is away, or too many ask it.")
        return want.found

    async def _run(self) -> None:
        """Load until nobody waits; those who come meanwhile are the next."""
        try:
            while self._queue:
                these = self._take()
                late = self._loop.call_later(PATIENCE, self._give_up)
                try:
                    await self._load(these)
                finally:
                    late.cancel()
                if not self._queue:
                    await sync_to_async(refresh_connection)()
        finally:
            self._running = None

    def _take(self) -> list[UUID | None]:
        """What is read next: what holds for all alone, or so many vehicles together."""
        if None in self._queue:
            self._queue.remove(None)
            return [None]
        these, self._queue = self._queue[:TOGETHER], self._queue[TOGETHER:]
        return these

    async def _load(self, these: Sequence[UUID | None]) -> None:
        found: dict[UUID | None, Any] = {}
        commands: list[Command] = []
        failed = False
        try:
            found, commands = await sync_to_async(_read)([each for each in these if each])
            self._not_before = 0.0
        except Exception as error:  # Whatever it is, those who wait are to be told.
            failed = True
            self._not_before = self._loop.time() + PAUSE
            if isinstance(error, DatabaseFault):
                log.warning("nothing_to_load_from", error=str(error))
            else:
                log.exception("load_failed")
        stored = self._store(these, commands)
        for each in these:
            want = self._wanted.pop(each, None)
            if want is not None:
                want.found = found.get(each)
                want.end(failed=failed)
        if stored is not None:
            await stored.done

    def _store(self, these: Sequence[UUID | None], commands: list[Command]) -> Round | None:
        """Write to the site what it lacked; whether it can be written changes no answer.

        Who waits for an answer does not wait for this: questions after it are on the same line.
        """
        wants = [self._wanted[each] for each in these if each in self._wanted]
        noises: list[Command] = [("DEL", want.noise) for want in wants if want.noise]
        return self._site.ask([*noises, *commands]) if noises or commands else None

    def _give_up(self) -> None:
        """Nobody waits for a query that does not end, and nobody begins to until it does."""
        log.warning("postgresql_is_late")
        self._not_before = float("inf")
        self._queue.clear()
        for want in self._wanted.values():
            want.end(failed=True)
        self._wanted.clear()


def _read(vehicle_ids: Sequence[UUID]) -> tuple[dict[UUID | None, Any], list[Command]]:
    """One query, and what stores its result at the site; without vehicles, what holds for all.

    The connection is kept for the next, until nobody waits: to take one and look whether it lives
    costs more than the query.
    """
    try:
        if vehicle_ids:
            known = rows.find(vehicle_ids)
            found: dict[UUID | None, Any] = {each.snapshot.vehicle_id: each for each in known}
            return found, snapshots.commands(each.snapshot for each in known)
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
