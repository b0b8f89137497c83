"""Counts rows for a list without reading them all; a list of millions says "about"."""

from typing import Any

from django.core.paginator import Paginator
from django.db import connection
from django.utils.functional import cached_property

EXACT = 10_000  # rows that are counted one by one; more than these are estimated or cut off
PAGES = 10_000  # PostgreSQL walks over all rows before the page that is asked for


class EstimatedPaginator(Paginator):  # type: ignore[type-arg] # not generic at run time
    """Pages over a list of any length."""

    @cached_property
    def count(self) -> int:
        """The number of rows: exact up to EXACT, else PostgreSQL's estimate or EXACT + 1."""
        rows: Any = self.object_list
        counted: int = rows.order_by()[: EXACT + 1].count()
        if counted <= EXACT or rows.query.where:
            return counted
        return max(counted, self._estimate(rows.model._meta.db_table))  # noqa: SLF001 -- Django documents it

    @cached_property
    def num_pages(self) -> int:
        """The number of pages that may be asked for."""
        return min(super().num_pages, PAGES)

    @staticmethod
    def _estimate(table: str) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
            return int(cursor.fetchone()[0])
