"""What the pages of rows about a subject share: the subject, the payer, and how both are found."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.staff import search, shown
from billing.staff.read_only import ReadOnlyAdmin


class AboutSubjects(ReadOnlyAdmin):
    """Rows about a subject, found by it or, where they have a payer, by them."""

    has_payer = False

    def find(self, text: str) -> Iterable[Any]:
        """By subject and by payer."""
        rows = self.model._default_manager.order_by("-pk")  # noqa: SLF001 -- Django documents it
        subjects = search.subject_ids(text)
        mine = rows.filter(subject_id__in=subjects)
        yield from mine.values_list("pk", flat=True)[: search.MOST]
        if self.has_payer:
            mine = rows.filter(payer_id__in=search.user_ids(text))
            yield from mine.values_list("pk", flat=True)[: search.MOST]

    @admin.display(description="subject")
    def about(self, row: Any) -> str:
        """The subject by the page that means most: fleet's, if fleet knows it."""
        return search.subject_page(row.subject_id)

    @admin.display(description="payer")
    def paid_by(self, row: Any) -> str:
        """The payer, masked."""
        return shown.person(row.payer)
