"""What was paid: keeps the mirror of Stripe's invoices and lists them to their payer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from billing import gateway
from billing.models import Invoice, Subscription

PAID, OPEN = "paid", "open"
FAILED, RECOVERED = "payment_failed", "payment_recovered"
Payment = tuple[Subscription, gateway.Invoice]


@dataclass(frozen=True, slots=True)
class News:
    """What has become of an invoice since it was last recorded: `kind` is FAILED or RECOVERED."""

    kind: str
    invoice: gateway.Invoice


def mirror(subscription: Subscription, invoices: Iterable[gateway.Invoice]) -> list[News]:
    """Record a subscription's invoices as they are at Stripe; return what is worth telling.

    A paid invoice stays paid: an older look at it changes nothing.
    """
    found = list(invoices)
    known = Invoice.objects.in_bulk([invoice.id for invoice in found])
    fresh = [invoice for invoice in found if not _is_older(known.get(invoice.id), invoice)]
    _store([_row(subscription, invoice) for invoice in fresh], known)
    news = (_news(subscription, known.get(invoice.id), invoice) for invoice in fresh)
    return [one for one in news if one]


def mirror_plain(paid: Iterable[Payment]) -> list[Payment]:
    """Record paid invoices of many subscriptions; return those that were.

    Left out are those of which there is more to tell than that they are paid.
    """
    found = list(paid)
    known = Invoice.objects.in_bulk([invoice.id for _, invoice in found])
    plain = [(whose, one) for whose, one in found if not _news(whose, known.get(one.id), one)]
    _store([_row(whose, one) for whose, one in plain], known)
    return plain


def paid_unseen(
    subscription: Subscription, fetched: Iterable[gateway.Invoice], *, lost: Iterable[str]
) -> tuple[datetime, ...]:
    """The ends of what was paid, as we know already, and a fetch that is older did not show."""
    shown = {invoice.id for invoice in fetched if invoice.status == PAID}
    rows = Invoice.objects.filter(
        subscription=subscription, status=PAID, paid_through__isnull=False
    ).exclude(stripe_invoice_id__in=shown.union(lost))
    return tuple(row.paid_through for row in rows if row.paid_through)


def of_payer(payer: Any) -> QuerySet[Invoice]:
    """Return all of a payer's invoices, newest first, across customers and subjects."""
    return (
        Invoice.objects.filter(subscription__customer__payer=payer)
        .exclude(status="draft")
        .select_related("subscription")
        .order_by("-created_at", "-stripe_invoice_id")
    )


def _store(rows: Iterable[Invoice], known: Mapping[str, Invoice]) -> None:
    Invoice.objects.bulk_create(
        (row for row in rows if _differs(known.get(row.pk), row)),
        update_conflicts=True,
        unique_fields=["stripe_invoice_id"],
        update_fields=_CHANGING,
    )


def _is_older(known: Invoice | None, invoice: gateway.Invoice) -> bool:
    return known is not None and known.status == PAID and invoice.status != PAID


def _differs(known: Invoice | None, row: Invoice) -> bool:
    return known is None or any(getattr(known, n) != getattr(row, n) for n in _CHANGING)


def _news(
    subscription: Subscription, known: Invoice | None, invoice: gateway.Invoice
) -> News | None:
    """Say what is new; of a switch that waits for its payment its own page and mail tell."""
    tried, wished = known.attempts if known else 0, invoice.reason == "subscription_update"
    if invoice.status == OPEN and invoice.attempts > tried:
        owes = subscription.status not in (Subscription.Status.ACTIVE, Subscription.Status.TRIALING)
        return News(FAILED, invoice) if owes or not wished else None
    if wished and _waits_to_resume(subscription, known, invoice):
        return News(FAILED, invoice)
    if invoice.status == PAID and known is not None and known.status == OPEN and tried:
        return None if wished else News(RECOVERED, invoice)
    return None


def _waits_to_resume(
    subscription: Subscription, known: Invoice | None, invoice: gateway.Invoice
) -> bool:
    """Whether a pause goes on until its payer pays for its end: no card is tried by itself."""
    fresh = invoice.status == OPEN and (known is None or known.status != OPEN)
    return fresh and subscription.status == Subscription.Status.PAUSED


def _row(subscription: Subscription, invoice: gateway.Invoice) -> Invoice:
    return Invoice(
        stripe_invoice_id=invoice.id,
        subscription=subscription,
        number=invoice.number,
        status=invoice.status,
        currency=invoice.currency,
        total=invoice.total,
        tax=invoice.tax,
        amount_paid=invoice.amount_paid,
        attempts=invoice.attempts,
        next_attempt_at=invoice.next_attempt_at,
        created_at=invoice.created_at,
        paid_through=invoice.paid_through,
        hosted_url=invoice.hosted_url,
        pdf_url=invoice.pdf_url,
    )


_CHANGING = (
    "number",
    "status",
    "total",
    "tax",
    "amount_paid",
    "attempts",
    "next_attempt_at",
    "paid_through",
    "hosted_url",
    "pdf_url",
)
