"""Which key signs leases from when, for staff to see; `rotate_lease_keys` changes it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.staff.read_only import ReadOnlyAdmin
from fleet.models import LeaseSchedule


@admin.register(LeaseSchedule)
class LeaseScheduleAdmin(ReadOnlyAdmin):
    """Each schedule that was in force, the present one first."""

    list_display = ("revision", "at", "keys", "removed")
    search_help_text = "Number of a revision"

    def find(self, text: str) -> Iterable[Any]:
        """By its number."""
        return [int(text)] if text.isdecimal() else []

    @admin.display(description="Keys, in the order in which they sign")
    def keys(self, schedule: LeaseSchedule) -> str:
        """Their names, without the rest."""
        return ", ".join(kid for kid, *_ in schedule.content.get("keys", ()))

    @admin.display(description="Removed")
    def removed(self, schedule: LeaseSchedule) -> str:
        """The keys whose leases are void."""
        return ", ".join(schedule.content.get("removed", ()))
