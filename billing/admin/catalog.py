"""What is sold, as staff see it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.models import CatalogRevision, StripePrice
from billing.staff import shown
from billing.staff.read_only import ReadOnlyAdmin


@admin.register(CatalogRevision)
class CatalogRevisionAdmin(ReadOnlyAdmin):
    """What was published."""

    list_display = ("revision", "published_at")
    search_help_text = "Number of a revision"

    def find(self, text: str) -> Iterable[Any]:
        """By its number."""
        return [int(text)] if text.isdecimal() else []


@admin.register(StripePrice)
class StripePriceAdmin(ReadOnlyAdmin):
    """What Stripe calls our prices."""

    list_display = ("stripe_price_id", "lookup_key", "plan", "unit_amount", "currency", "interval")
    readonly_fields = ("at_stripe",)
    search_help_text = "price_ prod_, or a lookup key"

    def find(self, text: str) -> Iterable[Any]:
        """By any of its names; there are few prices."""
        for field in ("stripe_price_id", "stripe_product_id", "lookup_key"):
            yield from StripePrice.objects.filter(**{field: text}).values_list("pk", flat=True)

    @admin.display(description="at Stripe")
    def at_stripe(self, row: StripePrice) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_price_id)
