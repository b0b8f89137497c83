"""Writes down all that is kept of a payer, for the payer: rows as they are, nothing left out."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q

from billing import agreements
from billing.models import (
    Checkout,
    Customer,
    Dispute,
    DomainEvent,
    Grant,
    Intent,
    Invoice,
    Seat,
    Subscription,
)

Rows = list[dict[str, Any]]
_OF_PAGES = ("checkout", "expire")
_OF_SUBSCRIPTIONS = ("cancel", "refund", "renewal", "switch", "extend")


def of_payer(payer: Any) -> dict[str, Rows]:
    """What billing keeps of somebody, by what it is."""
    subscriptions = Subscription.objects.filter(customer__payer=payer)
    invoices = Invoice.objects.filter(subscription__in=subscriptions)
    # What was done to their contracts by others is theirs to know; who did it is not.
    events = DomainEvent.objects.filter(Q(payer=payer) | Q(actor=payer))
    return {
        "customers_at_stripe": written(Customer.objects.filter(payer=payer)),
        "payment_pages": written(Checkout.objects.filter(payer=payer)),
        "agreements": written(agreements.of_payer(payer)),
        "seats": written(Seat.objects.filter(payer=payer)),
        "subscriptions": written(subscriptions),
        "invoices": written(invoices),
        "disputes": written(Dispute.objects.filter(invoice__in=invoices)),
        "paid_premium": written(Grant.objects.filter(subscription__in=subscriptions)),
        "calls_to_stripe": written(Intent.objects.filter(_about(payer, subscriptions))),
        "what_happened_to_payments": written(events.order_by("id"), without=("actor",)),
    }


def written(rows: Iterable[Model], *, without: Iterable[str] = ()) -> Rows:
    """Rows with each of their fields by its name, ready for JSON."""
    hidden = frozenset(without)
    return [
        {
            field.attname: _plain(getattr(row, field.attname))
            for field in row._meta.concrete_fields  # noqa: SLF001 -- Django documents it
            if field.name not in hidden
        }
        for row in rows
    ]


def _about(payer: Any, subscriptions: Any) -> Q:
    """The calls about a payer, by their keys: what they ask for is in no index."""
    pages = Checkout.objects.filter(payer=payer).values_list("id", flat=True)
    names = [f"customer:{payer.pk}:", *(f"{verb}:{page}" for page in pages for verb in _OF_PAGES)]
    for stripe_id in subscriptions.values_list("stripe_subscription_id", flat=True):
        names += [f"{verb}:{stripe_id}" for verb in _OF_SUBSCRIPTIONS]
    found = Q(pk__in=[])
    for name in names:
        found |= Q(idempotency_key__startswith=name)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
