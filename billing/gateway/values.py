"""What Stripe's objects mean to us: frozen values, and how each is read from the SDK's.

It must never call anything. Amounts are in the currency's minor unit; instants are UTC.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Price:
    """A price as Stripe holds it."""

    id: str
    product: str
    lookup_key: str
    currency: str
    unit_amount: int
    interval: str


@dataclass(frozen=True, slots=True)
class Session:
    """A Checkout Session; `status` is open, complete or expired."""

    id: str
    url: str
    status: str
    subscription: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice of a subscription; `paid_through` is the greatest period end of its lines."""

    id: str
    number: str
    status: str
    currency: str
    total: int
    amount_paid: int
    created_at: datetime
    period_starts_at: datetime | None
    paid_through: datetime | None
    hosted_url: str
    pdf_url: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back; `key` is that of the intent which asked for it, if one of ours did."""

    id: str
    amount: int
    status: str
    key: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription with its invoices, fetched at one moment."""

    id: str
    customer: str
    status: str
    price: Price
    created_at: datetime
    period_ends_at: datetime
    trial_ends_at: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    card_brand: str
    card_last4: str
    invoices: tuple[Invoice, ...]


def _at(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def id_of(value: Any) -> str:
    """The id of what Stripe gives as an id or as the object itself; empty for nothing."""
    return value if isinstance(value, str) else value.id if value else ""


def price(price: Any) -> Price:
    """A price as Stripe's library gives it, as ours."""
    return Price(
        id=price.id,
        product=id_of(price.product),
        lookup_key=price.lookup_key or "",
        currency=price.currency,
        unit_amount=price.unit_amount or 0,
        interval=price.recurring.interval if price.recurring else "",
    )


def session(value: Any) -> Session:
    """A Checkout Session as Stripe's library gives it, as ours."""
    return Session(
        id=value.id,
        url=value.url or "",
        status=value.status or "",
        subscription=id_of(value.subscription),
        expires_at=datetime.fromtimestamp(value.expires_at, UTC),
    )


def subscription(value: Any, invoices: tuple[Invoice, ...]) -> Subscription:
    """A subscription as Stripe's library gives it, with its invoices, as ours."""
    item = value["items"].data[0]
    card = getattr(value.default_payment_method, "card", None)
    # Stripe says "at the period's end" in one of two ways (facts.md: the flexible trap).
    cancel_at = value.cancel_at or (item.current_period_end if value.cancel_at_period_end else None)
    return Subscription(
        id=value.id,
        customer=id_of(value.customer),
        status=value.status,
        price=price(item.price),
        created_at=datetime.fromtimestamp(value.created, UTC),
        period_ends_at=datetime.fromtimestamp(item.current_period_end, UTC),
        trial_ends_at=_at(value.trial_end),
        cancel_at=_at(cancel_at),
        ended_at=_at(value.ended_at),
        card_brand=card.brand if card else "",
        card_last4=card.last4 if card else "",
        invoices=invoices,
    )


def invoice(value: Any) -> Invoice:
    """An invoice as Stripe's library gives it, as ours; its periods are its subscription's."""
    periods = [line.period for line in value.lines.data if _is_subscription_line(line)]
    return Invoice(
        id=value.id,
        number=value.number or "",
        status=value.status or "",
        currency=value.currency,
        total=value.total,
        amount_paid=value.amount_paid,
        created_at=datetime.fromtimestamp(value.created, UTC),
        period_starts_at=_at(min((period.start for period in periods), default=None)),
        paid_through=_at(max((period.end for period in periods), default=None)),
        hosted_url=value.hosted_invoice_url or "",
        pdf_url=value.invoice_pdf or "",
    )


def _is_subscription_line(line: Any) -> bool:
    return bool(line.parent) and line.parent.type == "subscription_item_details"


def refund(value: Any) -> Refund:
    """Read a refund."""
    key = value.metadata["intent"] if value.metadata and "intent" in value.metadata else ""
    return Refund(id=value.id, amount=value.amount, status=value.status or "", key=key)
