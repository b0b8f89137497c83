"""What keeps us in step with Stripe, as staff see it: comparisons, findings, limits, bookmarks."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.models import Bookmark, Budget, Finding, Reconciliation
from billing.staff import search
from billing.staff.read_only import ReadOnlyAdmin


class ByKind(admin.SimpleListFilter):
    """Offers the kinds that the last comparisons found, and not those of all time."""

    title = "kind"
    parameter_name = "kind"
    LAST = 10

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 -- Django's
        """What was found lately."""
        last = Reconciliation.objects.order_by("-pk").values_list("pk", flat=True)[: self.LAST]
        found = Finding.objects.filter(reconciliation_id__in=list(last)).order_by("kind")
        kinds = found.values_list("kind", flat=True).distinct()
        return [(kind, kind.replace("_", " ")) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 -- Django's
        """Those of the kind that was chosen."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


class IsRepaired(admin.SimpleListFilter):
    """What is still so, apart from what was put right."""

    title = "repaired"
    parameter_name = "repaired"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 -- Django's
        """Yes or no."""
        return [("no", "No"), ("yes", "Yes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 -- Django's
        """Those that are, or are not."""
        if self.value() is None:
            return queryset
        return queryset.filter(repaired_at__isnull=self.value() == "no")


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """One comparison of Stripe's whole state with ours."""

    list_display = ("started_at", "finished_at", "repairs", "stage", "compared")
    search_help_text = "Number of a comparison"

    def find(self, text: str) -> Iterable[Any]:
        """By its number."""
        rows = Reconciliation.objects.filter(pk=text) if _is_number(text) else []
        return [row.pk for row in rows]


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """Something that is not as it should be."""

    list_display = ("found_at", "kind", "what", "detail", "repaired_at")
    list_filter = (ByKind, IsRepaired)
    search_help_text = "What it is about: an id of Stripe's or of ours; a VIN"

    def find(self, text: str) -> Iterable[Any]:
        """By what it is about."""
        named = {text, *map(str, search.subject_ids(text))}
        rows = Finding.objects.filter(what__in=named).order_by("-pk")
        return rows.values_list("pk", flat=True)[: search.MOST]


@admin.register(Bookmark)
class BookmarkAdmin(ReadOnlyAdmin):
    """How far a long reading of Stripe's lists has come."""

    list_display = ("name", "at", "cursor")
    search_help_text = "Name"

    def find(self, text: str) -> Iterable[Any]:
        """By its name."""
        return Bookmark.objects.filter(pk=text).values_list("pk", flat=True)


@admin.register(Budget)
class BudgetAdmin(ReadOnlyAdmin):
    """How many calls of a kind may be made now."""

    list_display = ("name", "tokens", "filled_at")
    search_help_text = "Name"

    def find(self, text: str) -> Iterable[Any]:
        """By its name."""
        return Budget.objects.filter(pk=text).values_list("pk", flat=True)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
