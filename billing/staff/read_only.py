"""The base of the staff's pages: everything is shown, nothing is typed over, no list is counted."""
# ruff: noqa: ARG002 -- the signatures are Django's

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, ClassVar

from django.contrib import admin
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern

from billing.staff import search, shown
from billing.staff.actions import NamedAction, addresses, links
from billing.staff.paginator import EstimatedPaginator

MOST = 1_000  # rows that a search shows


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg] # not generic at run time
    """A model that staff see and change by named actions only, were it money, a car or a person."""

    paginator = EstimatedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 50
    sortable_by: ClassVar[Any] = ()
    ordering: ClassVar[Any] = ("-pk",)
    actions: Any = None
    view_on_site = False
    search_fields = ("pk",)  # Makes the box appear; `find` is what it does.
    search_help_text = search.HELP
    hidden: tuple[str, ...] = ()
    named_actions: tuple[NamedAction, ...] = ()

    def __init__(self, model: type[models.Model], admin_site: admin.AdminSite) -> None:
        """Find out once what the model's page shows: each field, and what the class adds."""
        super().__init__(model, admin_site)
        fields = [field for field in self.opts.concrete_fields if field.name not in self.hidden]
        self.shown: list[Any] = [
            _document(field) if isinstance(field, models.JSONField) else field.name
            for field in fields
        ]
        self.shown += self.readonly_fields

    def find(self, text: str) -> Iterable[Any]:
        """Yield primary keys of the rows that a text in the search box may mean."""
        raise NotImplementedError

    @admin.display(description="by")
    def by(self, row: Any) -> str:
        """Who did it, masked; nobody where it happened by itself."""
        return shown.person(row.actor)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Narrow the list to what `find` finds; never by `contains`, which reads every row."""
        text = search_term.strip()
        if not text:
            return queryset, False
        return queryset.filter(pk__in=list(islice(self.find(text), MOST))), False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything but what is hidden."""
        return self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The same: nothing is typed over."""
        return self.shown

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a row by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes one."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """The pages of the named actions, before the page of the row itself."""
        return [*addresses(self), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the row, with what can be done to it."""
        row = self.get_object(request, object_id)
        found = links(self, request, row) if row is not None else []
        context = {"named_actions": found, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


def _document(field: "models.Field[Any, Any]") -> Callable[[Any], str]:
    def display(row: Any) -> str:
        return shown.document(getattr(row, field.name))

    display.short_description = field.verbose_name  # type: ignore[attr-defined] # the admin's way
    display.__name__ = field.name
    return display
