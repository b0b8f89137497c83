"""What Stripe's objects mean to us: frozen values, and how each is read from the SDK's.

It must never call anything. Amounts are in the currency's minor unit; instants are UTC.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
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
    # Whether the tax is in the amount; None where nobody has said so.
    tax_included: bool | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A Checkout Session; `status` is open, complete or expired."""

    id: str
    url: str
    status: str
    subscription: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """A line for a subscription's time; one with a negative amount takes that time back."""

    starts_at: datetime
    ends_at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice of a subscription; `attempts` counts how often its charge was tried."""

    id: str
    number: str
    status: str
    reason: str
    currency: str
    total: int
    tax: int
    amount_paid: int
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    action_required: bool
    lines: tuple[Line, ...]
    hosted_url: str
    pdf_url: str
    paid_at: datetime | None = None

    @property
    def period_starts_at(self) -> datetime | None:
        """The first instant that it charges for; None if it charges for no time."""
        return min((line.starts_at for line in self._charged), default=None)

    @property
    def paid_through(self) -> datetime | None:
        """The end of the time that it charges for; None if it charges for no time."""
        return max((line.ends_at for line in self._charged), default=None)

    @property
    def _charged(self) -> list[Line]:
        return [line for line in self.lines if line.amount >= 0]


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a payer's bank has to say about a payment; `payment_intent` is that payment."""

    id: str
    status: str
    reason: str
    amount: int
    currency: str
    payment_intent: str
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class Discount:
    """What is taken off a period's price until `ends_at`; None is for as long as it runs."""

    percent: Decimal
    amount: int
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back; `key` is that of the intent which asked for it, if one of ours did."""

    id: str
    amount: int
    status: str
    key: str

    @property
    def counts(self) -> bool:
        """Whether the money is with the payer, or on its way."""
        return self.status not in ("failed", "canceled")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription with its invoices, fetched at one moment.

    `credited` is time that was given back, and that no invoice shows yet.
    """

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
    discount: Discount | None
    invoices: tuple[Invoice, ...]
    credited: tuple[Line, ...] = ()


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
        tax_included={"inclusive": True, "exclusive": False}.get(price.tax_behavior or ""),
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


def subscription(
    value: Any, invoices: tuple[Invoice, ...], credited: tuple[Line, ...] = ()
) -> Subscription:
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
        discount=_discount(value.discounts),
        invoices=invoices,
        credited=credited,
    )


def item_line(item: Any) -> Line:
    """An invoice item as Stripe's library gives it, as a line of ours."""
    period = item.period
    return Line(
        starts_at=datetime.fromtimestamp(period.start, UTC),
        ends_at=datetime.fromtimestamp(period.end, UTC),
        amount=item.amount,
    )


def subscription_of(item: Any) -> str:
    """The id of the subscription that an invoice item is about; empty if it is about none."""
    details = item.parent.subscription_details if item.parent else None
    return id_of(details.subscription) if details else ""


def invoice(value: Any) -> Invoice:
    """An invoice as Stripe's library gives it, as ours; its lines are its subscription's time."""
    taxes = value.total_taxes or ()
    return Invoice(
        id=value.id,
        number=value.number or "",
        status=value.status or "",
        reason=value.billing_reason or "",
        currency=value.currency,
        total=value.total,
        tax=sum(tax.amount for tax in taxes),
        amount_paid=value.amount_paid,
        created_at=datetime.fromtimestamp(value.created, UTC),
        attempts=value.attempt_count,
        next_attempt_at=_at(value.next_payment_attempt),
        action_required=_action_required(getattr(value, "payments", None)),
        lines=tuple(_line(line) for line in value.lines.data if _is_subscription_line(line)),
        hosted_url=value.hosted_invoice_url or "",
        pdf_url=value.invoice_pdf or "",
        paid_at=_at(value.status_transitions.paid_at),
    )


def _line(line: Any) -> Line:
    return Line(
        starts_at=datetime.fromtimestamp(line.period.start, UTC),
        ends_at=datetime.fromtimestamp(line.period.end, UTC),
        amount=line.amount,
    )


def _is_subscription_line(line: Any) -> bool:
    """Whether it is about time; a proration is, whichever of the two parents it has."""
    if not line.parent:
        return False
    if line.parent.type == "invoice_item_details":
        return bool(line.parent.invoice_item_details.proration)
    return bool(line.parent.type == "subscription_item_details")


def _action_required(payments: Any) -> bool:
    """Whether the payer's bank waits for them; known only where the payments were asked for."""
    intents = (payment.payment.payment_intent for payment in (payments.data if payments else ()))
    return any(getattr(intent, "status", "") == "requires_action" for intent in intents)


def _discount(discounts: Any) -> Discount | None:
    """The discount that lasts; one for a single invoice has been spent on the first."""
    for found in discounts or ():
        coupon: Any = getattr(getattr(found, "source", None), "coupon", None)
        if coupon is not None and coupon.duration != "once":
            return Discount(
                percent=Decimal(str(coupon.percent_off or 0)),
                amount=coupon.amount_off or 0,
                ends_at=_at(found.end),
            )
    return None


def dispute(value: Any) -> Dispute:
    """Read a dispute."""
    return Dispute(
        id=value.id,
        status=value.status,
        reason=value.reason,
        amount=value.amount,
        currency=value.currency,
        payment_intent=id_of(value.payment_intent),
        opened_at=datetime.fromtimestamp(value.created, UTC),
    )


def refund(value: Any) -> Refund:
    """Read a refund."""
    key = value.metadata["intent"] if value.metadata and "intent" in value.metadata else ""
    return Refund(id=value.id, amount=value.amount, status=value.status or "", key=key)
