"""What people were told, as staff see it; nothing typed over."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.staff import search, shown
from billing.staff.read_only import ReadOnlyAdmin
from connectivity.notices.models import Notice


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    """A mail that was sent, or is to be."""

    list_display = ("created_at", "template", "person", "sent_at", "attempts")
    list_select_related = ("user",)
    search_help_text = "Beginning of an email; an id"

    def find(self, text: str) -> Iterable[Any]:
        """By whom it was written to."""
        rows = Notice.objects.filter(user_id__in=search.user_ids(text)).order_by("-pk")
        return rows.values_list("pk", flat=True)[: search.MOST]

    @admin.display(description="to")
    def person(self, row: Notice) -> str:
        """Who it is, masked; a former address where the account is gone."""
        return shown.person(row.user) if row.user else shown.masked(row.recipient)
