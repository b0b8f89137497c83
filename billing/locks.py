"""Sees that of many workers only one does a thing at a time; knows nothing of what it is."""

import contextlib
import zlib
from collections.abc import Iterator

from django.db import connection


@contextlib.contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Yield whether this process has the named lock; it never waits.

    A PostgreSQL advisory lock of the session: it goes with the connection, so that a killed worker
    leaves none behind.
    """
    key = zlib.crc32(name.encode())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [key])
        mine = bool(cursor.fetchone()[0])
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [key])
