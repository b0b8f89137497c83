"""The backend itself: only the way in which a test leaves an empty database differs."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.postgresql import base, introspection, operations

# What the migrations' end has filled, and no test changes: to fill it anew takes 0.2 s at a time.
KEPT = {"django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}
# Where the other rows lie that were there before the first test; a test may change them.
FIRST = "first"


class DatabaseIntrospection(introspection.DatabaseIntrospection):
    """Each flush asks which tables there are, and they do not change any more."""

    known: list[str] | None = None

    def django_table_names(
        self, only_existing: bool = False, include_views: bool = True
    ) -> list[str]:
        """Return the tables of all models."""
        return self.known or super().django_table_names(only_existing, include_views)


class DatabaseOperations(operations.DatabaseOperations):
    """Deletes rows instead of truncating tables: after a test there are few, in many tables."""

    put_back = ""

    def sql_flush(
        self,
        style: Any,
        tables: Sequence[str],
        *,
        reset_sequences: bool = False,
        allow_cascade: bool = False,
    ) -> list[str]:
        """Return what empties the tables, with the foreign keys looking away."""
        if reset_sequences or not tables:
            return super().sql_flush(
                style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade
            )
        names = [self.quote_name(table) for table in tables if table not in KEPT]
        # In one statement: there are many tables, and each would be a round trip.
        emptied = "; ".join(f"DELETE FROM {name}" for name in names)  # noqa: S608 -- our own tables
        role = "SET session_replication_role ="
        return [f"{role} replica; {emptied}; {self.put_back}{role} DEFAULT"]


class DatabaseWrapper(base.DatabaseWrapper):
    """PostgreSQL."""

    introspection_class = DatabaseIntrospection
    ops_class = DatabaseOperations


def remember(connection: Any) -> None:
    """From now on a flush leaves the tables as they are now."""
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    connection.introspection.known = tables
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {FIRST}")
        for name in map(connection.ops.quote_name, sorted({*tables} - KEPT)):
            cursor.execute(f"SELECT EXISTS (SELECT FROM {name})")  # noqa: S608 -- our own tables
            if cursor.fetchone()[0]:
                cursor.execute(f"CREATE TABLE {FIRST}.{name} AS TABLE {name}")
                connection.ops.put_back += f"INSERT INTO {name} TABLE {FIRST}.{name}; "
