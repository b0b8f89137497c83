"""What goes with an ownership, as staff see it: consents, offers to pass a car on, drivers."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.staff import search as staff_search
from billing.staff import shown
from billing.staff.read_only import ReadOnlyAdmin
from fleet.admin.about import AboutVehicles
from fleet.models import Consent, Driver, Transfer
from fleet.vin import masked


@admin.register(Consent)
class ConsentAdmin(AboutVehicles):
    """Who allowed fleet learning with which car, to which words, when."""

    list_display = ("at", "car", "said_by", "given", "text", "version")
    list_select_related = ("vehicle", "owner")

    def find(self, text: str) -> Iterable[Any]:
        """By the car or by the owner."""
        yield from super().find(text)
        theirs = Consent.objects.filter(owner_id__in=staff_search.user_ids(text))
        yield from theirs.values_list("pk", flat=True)

    @admin.display(description="owner")
    def said_by(self, row: Consent) -> str:
        """The owner, masked."""
        return shown.person(row.owner)


@admin.register(Transfer)
class TransferAdmin(AboutVehicles):
    """Who offered which car, and what became of that."""

    list_display = ("offered_at", "car", "offered_by", "offered_to", "state", "decided_at")
    list_filter = ("state",)
    list_select_related = ("vehicle", "seller")

    def find(self, text: str) -> Iterable[Any]:
        """By the car, or by who offered or accepted it."""
        yield from super().find(text)
        people = list(staff_search.user_ids(text))
        for who in ("seller_id__in", "buyer_id__in"):
            yield from Transfer.objects.filter(**{who: people}).values_list("pk", flat=True)

    @admin.display(description="seller")
    def offered_by(self, row: Transfer) -> str:
        """The seller, masked."""
        return shown.person(row.seller)

    @admin.display(description="to")
    def offered_to(self, row: Transfer) -> str:
        """The address, masked."""
        return shown.masked(row.email) if row.email else shown.NOTHING


@admin.register(Driver)
class DriverAdmin(ReadOnlyAdmin):
    """Who drives whose car, and who was invited to."""

    list_display = ("invited_at", "car", "address", "state", "joined_at", "ended_at")
    list_filter = ("state",)
    list_select_related = ("ownership__vehicle", "person")

    def find(self, text: str) -> Iterable[Any]:
        """By the car, or by the driver."""
        rows = Driver.objects.order_by("-pk").values_list("pk", flat=True)
        cars = list(staff_search.subject_ids(text))
        yield from rows.filter(ownership__vehicle_id__in=cars)[: staff_search.MOST]
        yield from rows.filter(person_id__in=list(staff_search.user_ids(text)))

    @admin.display(description="car")
    def car(self, row: Driver) -> str:
        """The car, masked."""
        return shown.page(row.ownership.vehicle, masked(row.ownership.vehicle.vin))

    @admin.display(description="driver")
    def address(self, row: Driver) -> str:
        """The driver, or the address that was invited, masked."""
        if row.person is not None:
            return shown.person(row.person)
        return shown.masked(row.email) if row.email else shown.NOTHING
