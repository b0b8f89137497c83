"""Cars as staff see them: everything shown, nothing typed over; two things can be done, by name."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from billing.staff import search as staff_search
from billing.staff import shown
from billing.staff.actions import NamedAction, ReasonForm
from billing.staff.read_only import ReadOnlyAdmin
from fleet import garage, keys, search, timeline
from fleet.models import (
    Claim,
    Delivery,
    DomainEvent,
    Ownership,
    Pairing,
    PairingAttempt,
    Report,
    UsedAssertion,
    Vehicle,
)
from fleet.vin import masked


def _page_of(vehicle_id: UUID) -> str:
    url = reverse("admin:fleet_vehicle_change", args=[vehicle_id])
    return format_html('<a href="{}">car …{}</a>', url, str(vehicle_id)[-12:])


staff_search.teach(search.vehicle_ids, _page_of)


class KeyForm(ReasonForm):
    """What the new unit's key is."""

    public_key = forms.CharField(
        max_length=60,
        help_text="Of the new unit: raw Ed25519, base64url without padding, 43 characters.",
        widget=forms.TextInput(attrs={"size": 50, "autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ["public_key", "reason"]

    def clean_public_key(self) -> str:
        """Refuse what is no key before anything is asked of the database."""
        try:
            return keys.parse(self.cleaned_data["public_key"])
        except keys.WrongKey as error:
            raise forms.ValidationError(str(error)) from error


class DecisionForm(ReasonForm):
    """Whose the car is."""

    decision = forms.ChoiceField(
        choices=[("grant", "The car goes to the claimant"), ("refuse", "The car stays")],
        widget=forms.RadioSelect,
    )
    field_order = ["decision", "reason"]


def _replace_key(vehicle: Vehicle, data: dict[str, Any], actor: Any, now: datetime) -> str:
    replaced = keys.replace_key(
        vehicle_id=vehicle.pk,
        public_key=data["public_key"],
        reason=data["reason"],
        actor=actor,
        now=now,
    )
    if not replaced:
        return "This is the car's key already; nothing was changed."
    return "The key is replaced. The old unit is out, and the new one can sign in at once."


def _decide(claim: Claim, data: dict[str, Any], actor: Any, now: datetime) -> str:
    grant = data["decision"] == "grant"
    garage.decide(claim, grant=grant, reason=data["reason"], actor=actor, now=now)
    return "The car has a new owner." if grant else "The claim is refused; the car stays."


REPLACE_KEY = NamedAction(
    slug="replace-key",
    label="Replace the car's key",
    permission="fleet.replace_key",
    form=KeyForm,
    effect=lambda vehicle: (
        f"The connectivity unit of {vehicle.model} {vehicle.vin} was swapped. Its present key and "
        "all tokens that were issued for it stop working at once, its pairing code is void, and "
        "the car counts as pending until the new unit reports."
    ),
    run=_replace_key,
    refusals=(keys.WrongKey,),
    available=lambda vehicle: vehicle.removed_at is None,
)
DECIDE_CLAIM = NamedAction(
    slug="decide",
    label="Decide the claim",
    permission="fleet.decide_claim",
    form=DecisionForm,
    effect=lambda claim: (
        f"{claim.claimant} claims {claim.vehicle.model} {claim.vehicle.vin}. If the car goes to "
        "the claimant, its owner loses it at once and what they pay for it ends, with a refund of "
        "the unused time. Both are told."
    ),
    run=_decide,
    refusals=(garage.ClaimClosed,),
    available=lambda claim: claim.state in Claim.UNDECIDED,
)


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


@admin.register(Vehicle)
class VehicleAdmin(ReadOnlyAdmin):
    """A car, with all that happened to it."""

    change_form_template = "admin/vehicle.html"
    list_display = ("masked_vin", "model", "hardware", "market", "delivered_on", "last_contact_at")
    list_filter = ("hardware",)
    readonly_fields = ("owned_by", "subject")
    named_actions = (REPLACE_KEY,)

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


@admin.register(Claim)
class ClaimAdmin(AboutVehicles):
    """Who says that an owned car is theirs."""

    list_display = ("opened_at", "car", "claimed_by", "state", "decided_at")
    list_filter = ("state",)
    list_select_related = ("vehicle", "claimant")
    named_actions = (DECIDE_CLAIM,)

    def find(self, text: str) -> Iterable[Any]:
        """By the car or by the claimant."""
        yield from super().find(text)
        mine = Claim.objects.filter(claimant_id__in=staff_search.user_ids(text))
        yield from mine.values_list("pk", flat=True)

    @admin.display(description="claimant")
    def claimed_by(self, row: Claim) -> str:
        """The claimant, masked."""
        return shown.person(row.claimant)


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


@admin.register(Pairing)
class PairingAdmin(AboutVehicles):
    """Codes that cars showed."""

    hidden = ("code_hash",)
    list_display = ("car", "issued_at", "expires_at", "used_at", "voided_at")


@admin.register(PairingAttempt)
class PairingAttemptAdmin(ReadOnlyAdmin):
    """Wrong tries at codes."""

    list_display = ("at", "tried_by", "masked_vin")
    list_select_related = ("account",)
    search_help_text = "Whole VIN; beginning of an email"

    def find(self, text: str) -> Iterable[Any]:
        """By VIN, of a car or not, or by who tried."""
        rows = PairingAttempt.objects.order_by("-pk").values_list("pk", flat=True)
        yield from rows.filter(vin=text.upper())[: staff_search.MOST]
        yield from rows.filter(account_id__in=staff_search.user_ids(text))[: staff_search.MOST]

    @admin.display(description="account")
    def tried_by(self, row: PairingAttempt) -> str:
        """Who tried, masked."""
        return shown.person(row.account)

    @admin.display(description="VIN")
    def masked_vin(self, row: PairingAttempt) -> str:
        """What was typed, masked."""
        return masked(row.vin)


@admin.register(UsedAssertion)
class UsedAssertionAdmin(AboutVehicles):
    """Assertions that were spent."""

    list_display = ("car", "expires_at")
