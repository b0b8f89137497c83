"""Cars and whose they are, as staff see them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from billing.staff import search as staff_search
from billing.staff import shown
from billing.staff.read_only import ReadOnlyAdmin
from fleet import timeline
from fleet.admin.about import AboutVehicles
from fleet.admin.actions import GIVE_GOODWILL, REINSTATE, REPLACE_KEY, RESEND, RETIRE
from fleet.models import Ownership, Vehicle
from fleet.vin import masked


@admin.register(Vehicle)
class VehicleAdmin(ReadOnlyAdmin):
    """A car, with all that happened to it."""

    change_form_template = "admin/vehicle.html"
    list_display = ("masked_vin", "model", "hardware", "market", "delivered_on", "last_contact_at")
    list_filter = ("hardware",)
    readonly_fields = ("owned_by", "subject")
    named_actions = (GIVE_GOODWILL, RESEND, REPLACE_KEY, RETIRE, REINSTATE)

    def find(self, text: str) -> Iterable[Any]:
        """By VIN, part of it, reference, owner, or what Stripe has for it."""
        return staff_search.subject_ids(text)

    @admin.display(description="VIN")
    def masked_vin(self, row: Vehicle) -> str:
        """The VIN, masked."""
        return masked(row.vin)

    @admin.display(description="owner")
    def owned_by(self, row: Vehicle) -> str:
        """The owner now."""
        ownership = row.ownerships.select_related("owner").filter(ends_at=None).first()
        return shown.page(ownership.owner) if ownership else shown.NOTHING

    @admin.display(description="version and grants")
    def subject(self, row: Vehicle) -> str:
        """What billing has for it."""
        url = reverse("admin:billing_subject_change", args=[row.pk])
        more = reverse("admin:billing_grant_changelist")
        paid = reverse("admin:billing_subscription_changelist")
        return format_html(
            '<a href="{}">version</a>, <a href="{}?q={}">grants</a>, '
            '<a href="{}?q={}">subscriptions</a>',
            *(url, more, row.pk, paid, row.pk),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the car with its timeline."""
        row = self.get_object(request, object_id)
        context = {"timeline": timeline.of(row) if row else [], **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)


@admin.register(Ownership)
class OwnershipAdmin(AboutVehicles):
    """Whose car it is, and was."""

    list_display = ("car", "owned_by", "starts_at", "ends_at")
    list_select_related = ("vehicle", "owner")

    @admin.display(description="owner")
    def owned_by(self, row: Ownership) -> str:
        """The owner, masked."""
        return shown.person(row.owner)
