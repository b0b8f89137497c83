"""What the pages of rows about a car share: the car, and how the rows are found."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin

from billing.staff import search as staff_search
from billing.staff import shown
from billing.staff.read_only import ReadOnlyAdmin
from fleet.vin import masked


class AboutVehicles(ReadOnlyAdmin):
    """Rows about a car, found by all that names it."""

    list_select_related: ClassVar[bool | list[str] | tuple[str, ...]] = ("vehicle",)

    def find(self, text: str) -> Iterable[Any]:
        """By the car."""
        rows = self.model._default_manager.order_by("-pk")  # noqa: SLF001 -- Django documents it
        mine = rows.filter(vehicle_id__in=staff_search.subject_ids(text))
        yield from mine.values_list("pk", flat=True)[: staff_search.MOST]

    @admin.display(description="car")
    def car(self, row: Any) -> str:
        """The car, masked."""
        return shown.page(row.vehicle, masked(row.vehicle.vin)) if row.vehicle else shown.NOTHING
