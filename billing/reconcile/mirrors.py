"""Stripe's subscriptions against our mirror of them, both ways, in one reading of Stripe's list.

Stripe lists the newest first. So of ours, what was created between the first and the last of a page
and is not on it, is not known there.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from billing import gateway, subscriptions
from billing.gateway import listing
from billing.models import Dispute, Invoice, StripeEvent, StripePrice, Subscription
from billing.reconcile.finding import Found
from billing.reconcile.pace import Pace

STAGE = "subscriptions"


def page(cursor: str, pace: Pace) -> tuple[list[Found], str, int]:
    """Compare a page of Stripe's; what is found, where to go on, and how many were compared."""
    after, _, newest = cursor.partition("|")
    asked_at = pace.now()
    pace.ask()
    listed = listing.subscriptions(after)
    theirs = {one.id: one for one in listed.items}
    ours = {
        row.stripe_subscription_id: row
        for row in Subscription.objects.filter(stripe_subscription_id__in=theirs).select_related(
            "customer"
        )
    }
    found = [*_compare(theirs, ours, asked_at), *_gone(listed, newest, pace)]
    oldest = int(listed.items[-1].created_at.timestamp()) if listed.items else 0
    next_cursor = f"{listed.cursor}|{oldest}" if listed.cursor else ""
    return found, next_cursor, len(theirs)


def _compare(
    theirs: dict[str, gateway.Subscription], ours: dict[str, Subscription], asked_at: datetime
) -> list[Found]:
    plans = dict(StripePrice.objects.values_list("stripe_product_id", "plan"))
    lost = _lost(theirs.values())
    found = []
    for stripe_id, one in theirs.items():
        row = ours.get(stripe_id)
        if row is None:
            found.append(_sync("mirror_missing", stripe_id, f"{one.status} at Stripe"))
        elif row.synced_at is None or row.synced_at <= asked_at:
            differs = ", ".join(_differences(one, row, plans, lost))
            if differs:
                found.append(_sync("mirror_stale", stripe_id, differs))
    found += _invoices(theirs, {finding.what for finding in found})
    return [finding for finding in found if finding.what not in _in_motion(found)]


def _differences(
    one: gateway.Subscription, row: Subscription, plans: dict[str, str], lost: set[str]
) -> Iterator[str]:
    paid = [
        invoice.paid_through
        for invoice in one.invoices
        if invoice.status == "paid"
        and invoice.amount_paid
        and invoice.id not in lost
        # Of what is paused or has ended, a part of the paid time may have been credited back.
        and one.status in Subscription.RENEWING
    ]
    pairs: list[tuple[str, Any, Any]] = [
        ("status", row.status, one.status),
        ("customer", row.customer and row.customer.stripe_customer_id, one.customer),
        ("plan", row.plan, plans.get(one.price.product, "")),
        ("price", (row.unit_amount, row.currency), (one.price.unit_amount, one.price.currency)),
        ("interval", row.interval, one.price.interval),
        ("period end", row.period_ends_at, one.period_ends_at),
        ("trial end", row.trial_ends_at, one.trial_ends_at),
        ("end", row.ends_at, one.ended_at or one.cancel_at),
        ("card", (row.card_brand, row.card_last4), (one.card_brand, one.card_last4)),
    ]
    for name, here, there in pairs:
        if here != there and not (name == "customer" and row.customer is None):
            yield f"{name} {_text(here)} here, {_text(there)} at Stripe"
    for through in paid:
        if through and (row.paid_through is None or row.paid_through < through):
            yield f"paid until {_text(row.paid_through)} here, {_text(through)} at Stripe"


def _lost(theirs: Iterable[gateway.Subscription]) -> set[str]:
    """Of the latest invoices, those whose payment a bank has taken back: they pay for nothing."""
    latest = [invoice.id for one in theirs for invoice in one.invoices]
    lost = Dispute.objects.filter(invoice__in=latest, status__in=Dispute.LOST)
    return {str(pk) for pk in lost.values_list("invoice_id", flat=True)}


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return str(value or "none")


def _invoices(theirs: dict[str, gateway.Subscription], told: set[str]) -> Iterator[Found]:
    """The latest invoices that are not here as they are there; a fetch brings all of them."""
    latest = {
        invoice.id: (stripe_id, invoice)
        for stripe_id, one in theirs.items()
        for invoice in one.invoices
        if invoice.status != "draft" and stripe_id not in told
    }
    rows = Invoice.objects.filter(pk__in=latest).values_list("pk", "status", "amount_paid")
    ours = {pk: (status, paid) for pk, status, paid in rows}
    for invoice_id, (stripe_id, invoice) in latest.items():
        if ours.get(invoice_id) != (invoice.status, invoice.amount_paid):
            detail = f"invoice {invoice_id}, {invoice.status} at Stripe"
            yield _sync("invoice_missing", stripe_id, detail)


def _in_motion(found: Iterable[Found]) -> set[str]:
    """Those of which an event waits to be handled: they are about to be brought up to date."""
    ids = [finding.what for finding in found]
    waiting = StripeEvent.objects.filter(
        stripe_subscription_id__in=ids, state=StripeEvent.State.RECEIVED, attempts=0
    )
    return set(waiting.values_list("stripe_subscription_id", flat=True)) if ids else set()


def _gone(listed: listing.Page[gateway.Subscription], newest: str, pace: Pace) -> Iterator[Found]:
    """What Stripe should have listed on this page and has not; each is asked for by its id."""
    rows = Subscription.objects.filter(created_at__isnull=False).exclude(
        stripe_subscription_id__in=[one.id for one in listed.items]
    )
    if newest:
        rows = rows.filter(created_at__lte=datetime.fromtimestamp(int(newest), UTC))
    if listed.cursor:
        rows = rows.filter(created_at__gte=listed.items[-1].created_at)
    for row in rows.order_by("created_at"):
        pace.ask()
        try:
            gateway.subscription(row.stripe_subscription_id)
        except gateway.StripeRefused as error:
            if error.code != gateway.GONE:
                raise
            yield Found("subscription_gone", row.stripe_subscription_id, f"{row.status} here")


def _sync(kind: str, stripe_id: str, detail: str) -> Found:
    def repair(now: datetime) -> bool:
        subscriptions.sync(stripe_id, now=now)
        return True

    return Found(kind, stripe_id, detail, repair)
