"""What cars were told, what they said, and what happened to them, as staff see it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from billing import clock
from fleet import delivery, search
from fleet.admin.about import AboutVehicles
from fleet.models import Delivery, DomainEvent, Report


class IsStuck(admin.SimpleListFilter):
    """What does not go on by itself, or not soon."""

    title = parameter_name = "stuck"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Each kind of it."""
        return [
            ("away", "no site has it for a minute"),
            ("unconfirmed", "the car was there, and has not confirmed"),
            ("failed", "the car could not apply it"),
            ("given_up", "given up"),
        ]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Those of one kind."""
        stuck, old = Delivery.STUCK, clock.now() - delivery.JUST_NOW
        kinds = {
            "away": Q(state=Delivery.State.PENDING, changed_at__lte=old),
            "unconfirmed": stuck & Q(state=Delivery.State.SENT),
            "failed": stuck & Q(state=Delivery.State.FAILED),
            "given_up": stuck & Q(retries__gte=Delivery.MOST),
        }
        return rows.filter(kinds.get(self.value() or "", Q()))


@admin.register(Delivery)
class DeliveryAdmin(AboutVehicles):
    """One version on its way to one car."""

    list_display = (
        "reference",
        "car",
        "version",
        "plan",
        "state",
        "retries",
        "changed_at",
        "applied_at",
    )
    list_filter = ("state", IsStuck)

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
