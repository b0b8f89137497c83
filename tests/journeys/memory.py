"""Remembers where a journey has come to, so that the next begins there; decides nothing about it.

# Note [Walked once]
Most journeys begin with the same paid month, through a dozen pages and webhooks. The first in a
process walks there; the others find the rows of the product and of Stripe, the sites' values and
the letters as they were then, and still have to state all that came of it.
"""

import copy
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection

from tests.postgres.base import KEPT

if TYPE_CHECKING:
    from tests.journeys.journey import Journey

_walked: dict[tuple[str, datetime], "Memory"] = {}


def walk(journey: "Journey", name: str, way: Callable[[], str]) -> str:
    """Go that way with a new journey, or be where it led; return what was read at its end."""
    if not journey.world.can_come_back:
        return way()
    assert get_user_model().objects.count() == 1, "Somebody came before what a journey begins with."
    where = (name, journey.now)
    if where in _walked:
        _walked[where].come_back(journey)
    else:
        read = dict(journey.teller._read)
        _walked[where] = Memory(journey, f"walked_{len(_walked)}", way(), read)
    return _walked[where].shown


class Kept:
    """All that there is at one instant: in PostgreSQL, at Stripe, at the sites."""

    def __init__(self, store: Any, schema: str) -> None:
        self._rows = _kept(schema)
        self._stripe = sqlite3.connect(":memory:", check_same_thread=False)
        with store.reading() as tx:
            tx.db.backup(self._stripe)
        self._sites = {url: _values(url) for url in settings.SITES.values()}

    def put_back(self, store: Any) -> None:
        """Let all be as it was, with this store for Stripe's part."""
        with connection.cursor() as cursor:
            cursor.execute(self._rows)
        with store._connection() as db:
            self._stripe.backup(db)
        for url, values in self._sites.items():
            _put_back(url, values)


class Memory:
    """What was kept, the post, and the people of a journey."""

    def __init__(self, journey: "Journey", schema: str, shown: str, read: dict[str, int]) -> None:
        self.shown = shown
        self._kept = Kept(journey.world.sandbox.store, schema)
        self._letters = [*mail.outbox]
        self._owner, self._car = copy.copy(journey.owner.user), copy.copy(journey.car)
        self._at, self._read = journey.owner.at, read

    def come_back(self, journey: "Journey") -> None:
        """Let all be as it was, and let the journey be of the same people."""
        self._kept.put_back(journey.world.sandbox.store)
        mail.outbox.extend(self._letters)
        journey.owner.user, journey.owner.at = copy.copy(self._owner), self._at
        journey.car = copy.copy(self._car)
        journey.teller._read = dict(self._read)


def _kept(schema: str) -> str:
    """Keep all rows in a schema of their own; return what brings them back, in one statement."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    names = [connection.ops.quote_name(name) for name in sorted({*tables} - KEPT)]
    back = [f"DELETE FROM {name}" for name in names]  # noqa: S608 -- our own tables
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {schema}")
        for name in names:
            cursor.execute(f"SELECT EXISTS (SELECT FROM {name})")  # noqa: S608
            if cursor.fetchone()[0]:
                cursor.execute(f"CREATE TABLE {schema}.{name} AS TABLE {name}")
                back.append(f"INSERT INTO {name} TABLE {schema}.{name}")
    role = "SET session_replication_role ="
    return f"{role} replica; {'; '.join(back)}; {role} DEFAULT"


def _values(url: str) -> list[tuple[bytes, int, bytes]]:
    """Each key of a site, for how many milliseconds it stays, and its value."""
    with redis.Redis.from_url(url) as site:
        keys: Any = site.scan_iter()
        return [(key, max(site.pttl(key), 0), site.dump(key)) for key in keys]


def _put_back(url: str, values: list[tuple[bytes, int, bytes]]) -> None:
    with redis.Redis.from_url(url) as site, site.pipeline() as line:
        line.flushdb()
        for key, stays, value in values:
            line.restore(key, stays, value)
        line.execute()
