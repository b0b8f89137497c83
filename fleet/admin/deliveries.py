"""What cars were told, what they said, and what happened to them, as staff see it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from fleet import search
from fleet.admin.about import AboutVehicles
from fleet.models import Delivery, DomainEvent, Report


@admin.register(Delivery)
class DeliveryAdmin(AboutVehicles):
    """One version on its way to one car."""

    list_display = ("reference", "car", "version", "plan", "state", "changed_at", "applied_at")
    list_filter = ("state",)

    def find(self, text: str) -> Iterable[Any]:
        """By its reference alone if it is one, else by the car."""
        rows = Delivery.objects.filter(reference=search.reference(text))
        exact = list(rows.values_list("pk", flat=True))
        return exact or super().find(text)


@admin.register(Report)
class ReportAdmin(AboutVehicles):
    """What a car last said of itself."""

    list_display = ("car", "version", "catalog", "applied", "received_at")


@admin.register(DomainEvent)
class DomainEventAdmin(AboutVehicles):
    """What happened."""

    list_display = ("at", "kind", "car", "by")
    list_select_related = ("vehicle", "actor")
