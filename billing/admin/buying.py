"""Payment pages, subscriptions and payers, as staff see them."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.admin.about import AboutSubjects
from billing.admin.actions import ADOPT, CANCEL_NOW, EXTEND
from billing.models import Agreement, Checkout, Customer, Subscription
from billing.staff import search, shown
from billing.staff.read_only import ReadOnlyAdmin


class ByStatus(admin.SimpleListFilter):
    """Offers the statuses that are known: asking the table which there are would read all of it."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 -- Django's
        """Stripe's words."""
        return [(value, value) for value in Subscription.Status.values if value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 -- Django's
        """Those in the status that was chosen."""
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(Checkout)
class CheckoutAdmin(AboutSubjects):
    """A payment page that was opened."""

    has_payer = True
    hidden = ("url",)  # Whoever has it can pay in the payer's name.
    list_display = ("started_at", "about", "paid_by", "state", "lookup_key", "expires_at")
    list_filter = ("state",)
    list_select_related = ("payer",)
    ordering = ("-pk",)
    readonly_fields = ("about", "at_stripe")

    @admin.display(description="at Stripe")
    def at_stripe(self, row: Checkout) -> str:
        """Its session in the dashboard."""
        return shown.dashboard(row.stripe_session_id)


@admin.register(Agreement)
class AgreementAdmin(AboutSubjects):
    """What a payer agreed to, in the words they read."""

    has_payer = True
    list_display = ("at", "about", "paid_by", "terms", "language", "asked_to_start")
    list_select_related = ("payer",)
    readonly_fields = ("about",)


@admin.register(Subscription)
class SubscriptionAdmin(AboutSubjects):
    """The mirror of a subscription at Stripe."""

    list_display = ("stripe_subscription_id", "about", "paid_by", "status", "plan", "paid_through")
    list_filter = (ByStatus,)
    list_select_related = ("customer__payer",)
    readonly_fields = ("about", "at_stripe")
    named_actions = (CANCEL_NOW, EXTEND, ADOPT)

    def find(self, text: str) -> Iterable[Any]:
        """By anything at Stripe that belongs to it, by subject, by payer."""
        yield from search.subscription_ids(text)
        yield from super().find(text)
        mine = Subscription.objects.filter(customer__payer_id__in=search.user_ids(text))
        yield from mine.values_list("pk", flat=True)

    @admin.display(description="payer")
    def paid_by(self, row: Subscription) -> str:
        """The payer, masked."""
        return shown.person(row.customer.payer) if row.customer else shown.NOTHING

    @admin.display(description="at Stripe")
    def at_stripe(self, row: Subscription) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_subscription_id)


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """A payer at Stripe."""

    list_display = ("stripe_customer_id", "paid_by", "currency", "ordinal", "created_at")
    list_select_related = ("payer",)
    readonly_fields = ("at_stripe",)

    def find(self, text: str) -> Iterable[Any]:
        """By its payer, or by anything at Stripe that leads to them."""
        mine = Customer.objects.filter(payer_id__in=search.user_ids(text))
        return mine.values_list("pk", flat=True)

    @admin.display(description="payer")
    def paid_by(self, row: Customer) -> str:
        """The payer, masked."""
        return shown.person(row.payer)

    @admin.display(description="at Stripe")
    def at_stripe(self, row: Customer) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_customer_id)
