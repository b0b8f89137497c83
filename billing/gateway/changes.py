"""Calls about another price for a subscription: what it would cost, and the change itself."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from billing.gateway import client


@dataclass(frozen=True, slots=True)
class Preview:
    """The invoice of a change before it is made: `credit` is what the old price gives back.

    `due` is what would be charged, with `tax`; `next_charge_at` ends the period that it pays for.
    """

    due: int
    credit: int
    tax: int
    currency: str
    next_charge_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """What came of a change: made, or pending until the invoice behind `pay_url` is paid."""

    pending: bool
    charged: int
    currency: str
    pay_url: str


def price_of(subscription_id: str) -> tuple[str, bool]:
    """The price that a subscription has now, and whether a change of it waits for a payment."""
    with client.speaking():
        found = client.api().v1.subscriptions.retrieve(subscription_id)
        return found["items"].data[0].price.id, found.pending_update is not None


def preview_change(subscription_id: str, price: str, at: datetime) -> Preview:
    """Ask what a change to another price at that instant would cost; nothing is changed."""
    with client.speaking():
        found = client.api().v1.subscriptions.retrieve(subscription_id)
        details: Any = {
            "items": [{"id": found["items"].data[0].id, "price": price}],
            "proration_behavior": "always_invoice",
            "proration_date": int(at.timestamp()),
        }
        shown = client.api().v1.invoices.create_preview(
            {"subscription": subscription_id, "subscription_details": details}
        )
        lines = shown.lines.data
        ends = [line.period.end for line in lines if line.amount > 0]
        return Preview(
            due=shown.amount_due,
            credit=-sum(line.amount for line in lines if line.amount < 0),
            tax=sum(tax.amount for tax in shown.total_taxes or ()),
            currency=shown.currency,
            next_charge_at=datetime.fromtimestamp(max(ends), UTC) if ends else at,
        )


def change_price(subscription_id: str, price: str, at: datetime, *, key: str) -> Change:
    """Change the price as of that instant and charge the difference; unpaid, nothing changes."""
    with client.speaking():
        found = _going_on(subscription_id)
        terms: Any = {
            "items": [{"id": found["items"].data[0].id, "price": price}],
            "payment_behavior": "pending_if_incomplete",
            "proration_behavior": "always_invoice",
            "proration_date": int(at.timestamp()),
            "expand": ["latest_invoice"],
        }
        changed = client.api().v1.subscriptions.update(
            subscription_id, terms, {"idempotency_key": key}
        )
        return _change(changed)


def change_so_far(subscription_id: str) -> Change:
    """What came of the newest change of a subscription, as it is now."""
    with client.speaking():
        found = client.api().v1.subscriptions.retrieve(
            subscription_id, {"expand": ["latest_invoice"]}
        )
        return _change(found)


def change_price_at_end(subscription_id: str, price: str, ends_at: datetime, *, key: str) -> None:
    """Change the price without a charge: the next one, at the end of the paid time, is by it.

    What Stripe calls a trial is that paid time; without it, Stripe would begin a period now. Time
    that was added meanwhile stays.
    """
    with client.speaking():
        found = _going_on(subscription_id)
        terms: Any = {
            "items": [{"id": found["items"].data[0].id, "price": price}],
            "proration_behavior": "none",
            "trial_end": max(int(ends_at.timestamp()), found.trial_end or 0),
        }
        client.api().v1.subscriptions.update(subscription_id, terms, {"idempotency_key": key})


def _going_on(subscription_id: str) -> Any:
    """Return a subscription; one that is ending is refused: nothing more is charged for it."""
    found = client.api().v1.subscriptions.retrieve(subscription_id)
    if found.cancel_at or found.cancel_at_period_end:
        raise client.StripeRefused("It is ending: its price is not changed any more.", "ending")
    return found


def _change(subscription: Any) -> Change:
    pending = subscription.pending_update is not None
    invoice: Any = subscription.latest_invoice
    return Change(
        pending=pending,
        charged=0 if pending or not invoice else invoice.amount_paid,
        currency=subscription.currency,
        pay_url=(invoice.hosted_invoice_url or "") if pending and invoice else "",
    )
