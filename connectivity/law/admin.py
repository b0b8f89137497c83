"""What people declared, as staff see it: open ones are work, with the time since which."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin

from billing.staff import search, shown
from billing.staff.actions import NamedAction
from billing.staff.read_only import ReadOnlyAdmin
from connectivity.law import declarations
from connectivity.law.models import Declaration


def _settle(row: Declaration, data: dict[str, Any], actor: Any, now: datetime) -> str:
    declarations.settle(row.pk, reason=data["reason"], actor=actor, now=now)
    return "It is settled."


SETTLE = NamedAction(
    slug="settle",
    label="Settle",
    permission="law.settle_declaration",
    effect=lambda row: (
        "This closes the work on it and changes nothing else. End the contract and pay back first, "
        "on the page of the subscription, as of the time at which it was declared, and write to "
        f"{row.email}: they have a receipt that says that it counts."
    ),
    run=_settle,
    refusals=(declarations.AlreadyDecided,),
    available=lambda row: row.state == Declaration.State.OPEN,
)


@admin.register(Declaration)
class DeclarationAdmin(ReadOnlyAdmin):
    """A cancellation or withdrawal from the public pages."""

    hidden = ("form",)
    list_display = ("received_at", "kind", "state", "masked_email", "about", "outcome")
    list_filter = ("state", "kind")
    readonly_fields = ("about",)
    named_actions = (SETTLE,)

    def find(self, text: str) -> Iterable[Any]:
        """By the address that it names, or by the car."""
        rows = Declaration.objects.order_by("-pk").values_list("pk", flat=True)
        yield from rows.filter(email=text.lower())[: search.MOST]
        yield from rows.filter(subject_id__in=search.subject_ids(text))[: search.MOST]

    @admin.display(description="address")
    def masked_email(self, row: Declaration) -> str:
        """The address, masked."""
        return shown.masked(row.email)

    @admin.display(description="contract for")
    def about(self, row: Declaration) -> str:
        """The car, where one was found."""
        return search.subject_page(row.subject_id)
