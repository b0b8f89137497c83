"""Tells a site of all vehicles from the rows, batch by batch, while its edges serve.

It removes nothing, and what is newer at the site stays. How far it has come is kept at the site
itself: a site that was emptied meanwhile has forgotten that too, so that nothing is left out. It
must never know who is shown how far it is.
"""

import asyncio
import gc
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, connections

from billing import locks, queries
from fleet import pace, rotation, rows, snapshots, traits
from fleet.line import Round, Site
from fleet.models import Vehicle
from fleet.snapshots import Command, SiteAway, Snapshot

POINT = f"rebuild:{snapshots.FORMAT}".encode()
WHOLE = b"whole"  # in the point's place: the site has been told of all, and not emptied since
BATCH = 5_000  # vehicles
FIRST = UUID(int=0)
COUNTED = 100_000  # of fewer vehicles than that the number is counted, of more it is estimated
# Left to itself the planner reads all subjects anew for each batch.
_BATCH = f"""
    SELECT vehicle.id, facts.version, credential_generation, removed_at IS NOT NULL,
        fleet_learning, model, hardware, market, facts.grants
    FROM (
        SELECT id, credential_generation, removed_at, fleet_learning, model, hardware, market
        FROM fleet_vehicle WHERE id > %s ORDER BY id LIMIT %s
    ) AS vehicle CROSS JOIN LATERAL (
        SELECT version, grants FROM ({queries.FACTS}) AS every WHERE every.id = vehicle.id OFFSET 0
    ) AS facts
    ORDER BY vehicle.id
"""  # noqa: S608 -- our own words
_ESTIMATE = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'fleet_vehicle'::regclass"


class Busy(Exception):
    """Somebody rebuilds this site already."""


class Refused(Exception):
    """The site answers, but takes nothing."""


@dataclass(frozen=True, slots=True)
class Point:
    """How far a rebuild has come: the last vehicle that the site has been told of, and how many."""

    after: UUID = FIRST
    done: int = 0


Show = Callable[[Point], None]


def rebuild(site: str, *, restart: bool, show: Show) -> int:
    """Tell a site of all vehicles, from where the last rebuild stopped; return how many those were.

    `show` is told each step. Raises Busy, Refused, SiteAway, and django.db.Error.
    """
    with locks.only_one(f"fleet.rebuild:{site}") as mine:
        if not mine:
            raise Busy(site)
        with _writing(site) as writer, _without_collector():
            point = Point() if restart else writer.point()
            while (done := _pass(writer, point, show)) is None:
                # Emptied meanwhile: what came before that is to be told again.
                point = Point()
            return done


def estimate() -> int:
    """About how many vehicles there are."""
    with connection.cursor() as cursor:
        cursor.execute(_ESTIMATE)
        [about] = cursor.fetchone()
    return int(about) if about >= COUNTED else Vehicle.objects.count()


class _Writer:
    """Speaks to the site, one round at a time, and keeps the point there."""

    def __init__(self, site: str, runner: asyncio.Runner) -> None:
        self._name, self._runner = site, runner
        self._site: Site = runner.run(_opened(settings.SITES[site]))

    def point(self) -> Point:
        """Where the last rebuild stopped; the beginning if it came to its end."""
        [stored] = self._say([("GET", POINT)])
        try:
            after, done = json.loads(stored)
            return Point(UUID(after), int(done))
        except (ValueError, TypeError):
            return Point()

    def begin(self, point: Point) -> None:
        """Keep the point, and tell what holds for all vehicles."""
        catalog, paces = queries.catalog_document(), pace.current()
        self._say(
            [
                *snapshots.document_commands(snapshots.LEASES, *rotation.current()),
                *snapshots.document_commands(snapshots.CATALOG, *catalog),
                *snapshots.document_commands(snapshots.PACE, *paces),
                ("SET", POINT, _written(point)),
            ]
        )

    def write(self, point: Point, commands: Sequence[Command]) -> bool:
        """Tell of some more, after what led to this point; False if the site was emptied since."""
        kept, *_ = self._say([("SET", POINT, _written(point), "XX"), *commands])
        return kept is not None

    def end(self) -> bool:
        """Mark the site as whole, unless it was emptied since; return whether it is."""
        [kept] = self._say([("SET", POINT, WHOLE, "XX")])
        return kept is not None

    def close(self) -> None:
        """Hang up."""
        self._runner.run(self._site.close())

    def _say(self, commands: Sequence[Command]) -> list[Any]:
        round_ = self._runner.run(_told(self._site, commands))
        if round_.away:
            raise SiteAway(self._name)
        for reply in round_.replies:
            if isinstance(reply, Exception):
                raise Refused(str(reply))
        return round_.replies


async def _opened(url: str) -> Site:
    return Site(url)


async def _told(site: Site, commands: Sequence[Command]) -> Round:
    round_ = site.ask(commands)
    await round_.done
    return round_


@contextmanager
def _writing(site: str) -> Iterator[_Writer]:
    with asyncio.Runner() as runner:
        writer = _Writer(site, runner)
        try:
            yield writer
        finally:
            writer.close()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of values come and go here, none in a circle: looking for circles doubles the time.

    One who looked for them before does so again afterwards.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _pass(writer: _Writer, point: Point, show: Show) -> int | None:
    """Tell of all vehicles after the point; None if the site was emptied meanwhile."""
    told = 0
    writer.begin(point)
    for batch in _batches(point.after):
        show(point)
        if not writer.write(point, snapshots.commands(batch)):
            return None
        told += len(batch)
        point = Point(batch[-1].vehicle_id, point.done + len(batch))
    show(point)
    if not writer.write(point, []):
        return None
    return told if writer.end() else None


def _batches(after: UUID) -> Iterator[list[Snapshot]]:
    """All vehicles behind this one; while some are told, PostgreSQL looks for the next."""
    connection.ensure_connection()
    with ThreadPoolExecutor(1) as reader:
        found = reader.submit(_read, connections[DEFAULT_DB_ALIAS], after)
        while batch := [rows.snapshot(*row) for row in found.result()]:
            for each in {snapshot.traits for snapshot in batch}:
                # What has no number yet is given one while nobody else uses the connection.
                traits.number(each)
            found = reader.submit(_read, connections[DEFAULT_DB_ALIAS], batch[-1].vehicle_id)
            yield batch


def _read(database: Any, after: UUID) -> list[tuple[Any, ...]]:
    """Below Django's cursors, which belong to one thread; the connection itself does not."""
    with database.wrap_database_errors, database.connection.cursor() as cursor:
        return list(cursor.execute(_BATCH, [after, BATCH]).fetchall())


def _written(point: Point) -> str:
    return json.dumps([str(point.after), point.done])
