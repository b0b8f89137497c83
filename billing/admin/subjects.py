"""What is entitled, what was granted to it, what is still to be told, and who may pay for it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.admin.about import AboutSubjects
from billing.admin.actions import END_GIFT
from billing.models import Change, Grant, Seat, Subject
from billing.staff import search
from billing.staff.read_only import ReadOnlyAdmin


@admin.register(Subject)
class SubjectAdmin(ReadOnlyAdmin):
    """What is entitled."""

    list_display = ("id", "version")
    readonly_fields = ("about",)

    def find(self, text: str) -> Iterable[Any]:
        """By all that names a subject."""
        return search.subject_ids(text)

    @admin.display(description="is")
    def about(self, row: Subject) -> str:
        """What it is, if another app knows."""
        return search.subject_page(row.pk)


@admin.register(Grant)
class GrantAdmin(AboutSubjects):
    """What was granted."""

    list_display = ("id", "about", "plan", "source", "starts_at", "ends_at")
    list_filter = ("source",)
    named_actions = (END_GIFT,)
    readonly_fields = ("about",)


@admin.register(Change)
class ChangeAdmin(AboutSubjects):
    """What a site is still to be told."""

    list_display = ("id", "about", "site", "version", "created_at")
    readonly_fields = ("about",)


@admin.register(Seat)
class SeatAdmin(AboutSubjects):
    """Who holds the one place for a payer."""

    has_payer = True
    list_display = ("about", "paid_by", "subscription", "checkout", "taken_at")
    list_select_related = ("payer", "subscription", "checkout")
    readonly_fields = ("about",)
