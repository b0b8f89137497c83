"""What was paid: keeps the mirror of Stripe's invoices and lists them to their payer."""

from typing import Any

from django.db.models import QuerySet

from billing import gateway
from billing.models import Invoice, Subscription


def mirror(subscription: Subscription, invoices: tuple[gateway.Invoice, ...]) -> None:
    """Record a subscription's invoices as they are at Stripe."""
    Invoice.objects.bulk_create(
        (
            Invoice(
                stripe_invoice_id=invoice.id,
                subscription=subscription,
                number=invoice.number,
                status=invoice.status,
                currency=invoice.currency,
                total=invoice.total,
                amount_paid=invoice.amount_paid,
                created_at=invoice.created_at,
                paid_through=invoice.paid_through,
                hosted_url=invoice.hosted_url,
                pdf_url=invoice.pdf_url,
            )
            for invoice in invoices
        ),
        update_conflicts=True,
        unique_fields=["stripe_invoice_id"],
        update_fields=[
            "number",
            "status",
            "total",
            "amount_paid",
            "paid_through",
            "hosted_url",
            "pdf_url",
        ],
    )


def of_payer(payer: Any) -> QuerySet[Invoice]:
    """Return all of a payer's invoices, newest first, across customers and subjects."""
    return (
        Invoice.objects.filter(subscription__customer__payer=payer)
        .exclude(status="draft")
        .select_related("subscription")
        .order_by("-created_at", "-stripe_invoice_id")
    )
