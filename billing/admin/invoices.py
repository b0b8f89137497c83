"""What was charged, given back and disputed, as staff see it."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin

from billing.admin.actions import REFUND
from billing.admin.buying import SubscriptionAdmin
from billing.models import Dispute, Invoice, Subscription
from billing.staff import search, shown
from billing.staff.read_only import ReadOnlyAdmin


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """The mirror of an invoice at Stripe."""

    # Bearer links to a person's bills; and sums in the minor unit, which `amount` shows as money.
    hidden = ("hosted_url", "pdf_url", "total", "tax", "amount_paid", "amount_refunded")
    list_display = ("stripe_invoice_id", "number", "status", "amount", "refunded", "created_at")
    ordering = ("-created_at", "-pk")
    readonly_fields = ("amount", "taxed", "refunded", "at_stripe")
    named_actions = (REFUND,)
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

    @admin.display(description="of which tax")
    def taxed(self, row: Invoice) -> str:
        """As people write it."""
        return shown.money(row.tax, row.currency)

    @admin.display(description="given back")
    def refunded(self, row: Invoice) -> str:
        """As people write it; nothing where nothing was."""
        return shown.money(row.amount_refunded, row.currency) if row.amount_refunded else ""

    @admin.display(description="at Stripe")
    def at_stripe(self, row: Invoice) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_invoice_id)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """A payment that the payer's bank has taken back, or asks about."""

    hidden = ("amount",)
    list_display = ("stripe_dispute_id", "status", "reason", "disputed", "opened_at")
    list_select_related = ("invoice",)
    ordering = ("-opened_at", "-pk")
    readonly_fields = ("disputed", "at_stripe")
    search_help_text = f"dp_ du_, number of an invoice; {search.HELP}"

    def find(self, text: str) -> Iterable[Any]:
        """By its id, or by its invoice."""
        yield from Dispute.objects.filter(pk=text).values_list("pk", flat=True)
        invoices = set(InvoiceAdmin(Invoice, self.admin_site).find(text))
        yield from Dispute.objects.filter(invoice_id__in=invoices).values_list("pk", flat=True)

    @admin.display(description="amount")
    def disputed(self, row: Dispute) -> str:
        """As people write it."""
        return shown.money(row.amount, row.currency)

    @admin.display(description="at Stripe")
    def at_stripe(self, row: Dispute) -> str:
        """It in the dashboard."""
        return shown.dashboard(row.stripe_dispute_id)
