"""Claims, codes and tries at them, as staff see them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.staff import search as staff_search
from billing.staff import shown
from billing.staff.read_only import ReadOnlyAdmin
from fleet.admin.about import AboutVehicles
from fleet.admin.actions import DECIDE_CLAIM
from fleet.models import Claim, Pairing, PairingAttempt, UsedAssertion
from fleet.vin import masked


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
