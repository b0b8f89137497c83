"""Money and entitlement as staff see them: everything shown, nothing typed over."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.models import (
    CatalogRevision,
    Change,
    Checkout,
    Customer,
    DomainEvent,
    Grant,
    Intent,
    Invoice,
    Seat,
    StripeEvent,
    StripePrice,
    Subject,
    Subscription,
)
from billing.staff import search, shown
from billing.staff.read_only import ReadOnlyAdmin


class AboutSubjects(ReadOnlyAdmin):
    """Rows about a subject, found by it or, where they have a payer, by them."""

    has_payer = False

    def find(self, text: str) -> Iterable[Any]:
        """By subject and by payer."""
        rows = self.model._default_manager.order_by("-pk")  # noqa: SLF001 -- Django documents it
        subjects = search.subject_ids(text)
        mine = rows.filter(subject_id__in=subjects)
        yield from mine.values_list("pk", flat=True)[: search.MOST]
        if self.has_payer:
            mine = rows.filter(payer_id__in=search.user_ids(text))
            yield from mine.values_list("pk", flat=True)[: search.MOST]

    @admin.display(description="subject")
    def about(self, row: Any) -> str:
        """The subject by the page that means most: fleet's, if fleet knows it."""
        return search.subject_page(row.subject_id)

    @admin.display(description="payer")
    def paid_by(self, row: Any) -> str:
        """The payer, masked."""
        return shown.person(row.payer)


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


@admin.register(Subject)
class SubjectAdmin(ReadOnlyAdmin):
    """What is entitled."""

    list_display = ("id", "version")
    readonly_fields = ("about",)

    def find(self, text: str) -> Iterable[Any]:
        """By all that names a subject."""
        return search.subject_ids(text)

    @admin.display(description="is")
    def about(self, row: Subject) -> str:
        """What it is, if another app knows."""
        return search.subject_page(row.pk)


@admin.register(Grant)
class GrantAdmin(AboutSubjects):
    """What was granted."""

    list_display = ("id", "about", "plan", "source", "starts_at", "ends_at")
    list_filter = ("source",)
    readonly_fields = ("about",)


@admin.register(Change)
class ChangeAdmin(AboutSubjects):
    """What a site is still to be told."""

    list_display = ("id", "about", "site", "version", "created_at")
    readonly_fields = ("about",)


@admin.register(Seat)
class SeatAdmin(AboutSubjects):
    """Who holds the one place for a payer."""

    has_payer = True
    list_display = ("about", "paid_by", "subscription", "checkout", "taken_at")
    list_select_related = ("payer", "subscription", "checkout")
    readonly_fields = ("about",)


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


@admin.register(Subscription)
class SubscriptionAdmin(AboutSubjects):
    """The mirror of a subscription at Stripe."""

    list_display = ("stripe_subscription_id", "about", "paid_by", "status", "plan", "paid_through")
    list_filter = (ByStatus,)
    list_select_related = ("customer__payer",)
    readonly_fields = ("about", "at_stripe")

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


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """The mirror of an invoice at Stripe."""

    # Bearer links to a person's bills; and sums in the minor unit, which `amount` shows as money.
    hidden = ("hosted_url", "pdf_url", "total", "amount_paid")
    list_display = ("stripe_invoice_id", "number", "status", "amount", "created_at")
    ordering = ("-created_at", "-pk")
    readonly_fields = ("amount", "at_stripe")
    search_help_text = f"Number of an invoice or its beginning; {search.HELP}"

    def find(self, text: str) -> Iterable[Any]:
        """By its id, its number or its number's beginning, or by its subscription."""
        rows = Invoice.objects.order_by("-created_at").values_list("pk", flat=True)
        yield from rows.filter(pk=text)
        if len(text) >= search.SHORTEST:
            yield from rows.filter(number__startswith=text.upper())[: search.MOST]
        subscriptions = SubscriptionAdmin(Subscription, self.admin_site).find(text)
        mine = Invoice.objects.filter(subscription_id__in=set(subscriptions))
        yield from mine.values_list("pk", flat=True)

    @admin.display(description="paid of total")
    def amount(self, row: Invoice) -> str:
        """As people write it."""
        paid, total = (shown.money(sum_, row.currency) for sum_ in (row.amount_paid, row.total))
        return f"{paid} of {total}"

    @admin.display(description="at Stripe")
    def at_stripe(self, row: Invoice) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_invoice_id)


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    """The inbox."""

    list_display = ("stripe_event_id", "type", "state", "received_at", "handled_at", "attempts")
    list_filter = ("state",)
    readonly_fields = ("at_stripe",)

    def find(self, text: str) -> Iterable[Any]:
        """By its id, or by its subscription's."""
        rows = StripeEvent.objects.order_by("-pk")
        yield from rows.filter(stripe_event_id=text).values_list("pk", flat=True)
        if text:
            mine = rows.filter(stripe_subscription_id=text)
            yield from mine.values_list("pk", flat=True)[: search.MOST]

    @admin.display(description="at Stripe")
    def at_stripe(self, row: StripeEvent) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_event_id)


@admin.register(Intent)
class IntentAdmin(ReadOnlyAdmin):
    """A call that changes Stripe."""

    list_display = ("kind", "idempotency_key", "created_at", "answered_at", "attempts")
    list_filter = ("kind",)
    search_help_text = "Idempotency key or its beginning; an id of Stripe's"

    def find(self, text: str) -> Iterable[Any]:
        """By its key, which names what it is about."""
        rows = Intent.objects.order_by("-pk").values_list("pk", flat=True)
        yield from rows.filter(idempotency_key__startswith=text)[: search.MOST]
        if search.names_stripe(text):
            keys = [f"{verb}:{text}" for verb in ("cancel", "refund")]
            yield from rows.filter(idempotency_key__in=keys)


@admin.register(DomainEvent)
class DomainEventAdmin(AboutSubjects):
    """What happened."""

    has_payer = True
    list_display = ("at", "kind", "about", "paid_by", "by")
    list_select_related = ("payer", "actor")
    readonly_fields = ("about",)


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
