"""How a subject stands with its payer, in the words that pages use; reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from billing import queries
from billing.entitlements import resolve
from billing.models import Checkout, Dispute, Seat, Subscription

WORDS = {
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "unpaid": "unpaid",
    "paused": "paused",
    "incomplete": "confirming",
    "": "confirming",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Billing's truth about one subject; amounts in the currency's minor unit.

    `state` is one of none, checkout_open, confirming, trialing, active, ending, past_due, unpaid,
    paused, ended. `plan` and `reason` are the verdict now, whoever granted it.
    """

    plan: str
    reason: str
    changes_at: datetime | None
    state: str
    checkout_url: str = ""
    lookup_key: str = ""
    unit_amount: int | None = None
    currency: str = ""
    interval: str = ""
    next_charge_at: datetime | None = None
    paid_through: datetime | None = None
    ends_at: datetime | None = None
    grant_ends_at: datetime | None = None
    card_brand: str = ""
    card_last4: str = ""
    discounted_amount: int | None = None
    discount_ends_at: datetime | None = None
    began_at: datetime | None = None
    retry_at: datetime | None = None
    open_amount: int | None = None
    pay_url: str = ""
    action_required: bool = False
    disputed: bool = False
    taken_back: bool = False
    refunded: int = 0
    withdrawn_at: datetime | None = None

    @property
    def next_amount(self) -> int | None:
        """What the next charge will be, but for tax that is put on; with the discount of then."""
        charge, last = self.next_charge_at, self.discount_ends_at
        if self.discounted_amount is None or (charge and last and charge >= last):
            return self.unit_amount
        return self.discounted_amount


def standing(subject_id: UUID, *, payer: Any, now: datetime) -> Standing:
    """How this subject stands with this payer."""
    return standings([subject_id], payer=payer, now=now)[subject_id]


def standings(
    subject_ids: Iterable[UUID],
    *,
    payer: Any,
    now: datetime,
    picture: queries.Picture | None = None,
) -> dict[UUID, Standing]:
    """How these subjects stand with this payer, in a fixed number of queries.

    What somebody else pays or paid for them is nobody's business but theirs. `picture` is given by
    who has it already.
    """
    ids = list(subject_ids)
    known = picture or queries.picture(ids)
    payments = _payments(ids, payer)
    found = {}
    for subject_id in ids:
        facts = known.facts.get(subject_id)
        grants = facts.grants if facts else ()
        verdict = resolve(grants, known.sold, frozenset(), subject_id, int(now.timestamp()))
        found[subject_id] = Standing(
            plan=verdict.plan,
            reason=verdict.reason,
            changes_at=_at(verdict.next_change_at),
            **_paying(payments, subject_id, now=now),
        )
    return found


@dataclass(frozen=True, slots=True)
class _Payments:
    """What is known of a payer's payments, by subject; subscriptions are rows of _SUBSCRIPTIONS."""

    seats: dict[UUID, Seat]
    subscriptions: dict[UUID, Any]


def _payments(ids: list[UUID], payer: Any) -> _Payments:
    seats = Seat.objects.filter(subject_id__in=ids, payer=payer).select_related("checkout")
    lost, decided = [*Dispute.LOST], [*Dispute.LOST, *Dispute.HARMLESS]
    asked = {"payer": payer.pk, "ids": ids, "lost": lost, "decided": decided}
    rows = Subscription.objects.raw(_SUBSCRIPTIONS, asked)
    return _Payments(
        seats={seat.subject_id: seat for seat in seats},
        subscriptions={row.subject_id: row for row in rows if row.subject_id},
    )


# The payer's, with what is known of their payments; the one that counts is the last of its subject:
# it holds the seat, or is newest. It stands on every page, and to put it together anew with the ORM
# takes longer than PostgreSQL does to answer it.
_SUBSCRIPTIONS = """
    SELECT one.*, grants.ends_at AS grant_ends_at, bills.paid, bills.refunded,
        due.stripe_invoice_id AS open_id, due.total AS open_amount,
        due.next_attempt_at AS retry_at, due.hosted_url AS pay_url,
        disputes.disputed, disputes.taken_back,
        asked.invoice AS asked_for, asked.confirm AS asked_to_confirm, withdrawn.at AS withdrawn_at
    FROM billing_subscription AS one
        LEFT JOIN billing_customer AS customer ON customer.id = one.customer_id
        LEFT JOIN billing_seat AS seat ON seat.subscription_id = one.id
        LEFT JOIN billing_grant AS grants ON grants.subscription_id = one.id,
    LATERAL (
        SELECT bool_or(status = 'paid' AND amount_paid > 0) AS paid,
            coalesce(sum(amount_refunded), 0)::bigint AS refunded
        FROM billing_invoice WHERE subscription_id = one.id
    ) AS bills,
    LATERAL (
        SELECT bool_or(dispute.status = ANY(%(lost)s)) AS taken_back,
            bool_or(dispute.status <> ALL(%(decided)s)) AS disputed
        FROM billing_dispute AS dispute
        JOIN billing_invoice AS bill ON bill.stripe_invoice_id = dispute.invoice_id
        WHERE bill.subscription_id = one.id
    ) AS disputes
    LEFT JOIN LATERAL (
        SELECT * FROM billing_invoice WHERE subscription_id = one.id AND status = 'open'
        ORDER BY created_at DESC LIMIT 1
    ) AS due ON true
    LEFT JOIN LATERAL (
        SELECT data->>'invoice' AS invoice, data->>'action_required' AS confirm
        FROM billing_domainevent WHERE kind = 'payment_failed' AND subject_id = one.subject_id
            AND data->>'subscription' = one.stripe_subscription_id
        ORDER BY id DESC LIMIT 1
    ) AS asked ON true
    LEFT JOIN LATERAL (
        SELECT at FROM billing_domainevent
        WHERE kind = 'withdrawn' AND subject_id = one.subject_id
            AND data->>'subscription' = one.stripe_subscription_id
        LIMIT 1
    ) AS withdrawn ON true
    WHERE one.subject_id = ANY(%(ids)s) AND %(payer)s IN (customer.payer_id, seat.payer_id)
    ORDER BY seat.subject_id NULLS FIRST, one.created_at, one.id
"""


def _paying(payments: _Payments, subject_id: UUID, *, now: datetime) -> dict[str, Any]:
    seat, last = payments.seats.get(subject_id), payments.subscriptions.get(subject_id)
    if seat is not None and seat.checkout is not None:
        ends = {"grant_ends_at": last.grant_ends_at} if last else {}
        return _checkout(seat.checkout, now=now) | ends
    if last is None:
        return {"state": "none"}
    held = seat is not None and seat.subscription_id == last.pk
    state = _state(last, paid=bool(last.paid), now=now) if held else "ended"
    return {"state": state, **_terms(last), **_money(last)}


def _checkout(checkout: Checkout, *, now: datetime) -> dict[str, Any]:
    if checkout.expires_at <= now:
        return {"state": "none"}
    return {
        "state": "checkout_open",
        "checkout_url": checkout.url,
        "lookup_key": checkout.lookup_key,
    }


def _money(row: Any) -> dict[str, Any]:
    confirms = row.asked_to_confirm == "true" and row.asked_for == row.open_id
    return {
        "grant_ends_at": row.grant_ends_at,
        "disputed": bool(row.disputed),
        "taken_back": bool(row.taken_back),
        "refunded": row.refunded,
        "withdrawn_at": row.withdrawn_at,
        "retry_at": row.retry_at,
        "open_amount": row.open_amount,
        "pay_url": row.pay_url or "",
        "action_required": confirms and row.open_id is not None,
    }


def _state(subscription: Subscription, *, paid: bool, now: datetime) -> str:
    """The page's word; for Stripe, time that was added to a paid period is a trial as well."""
    if subscription.ends_at and subscription.ends_at <= now:
        return "ended"  # Stripe has not told yet, but there is nothing left to undo.
    if subscription.status == Subscription.Status.TRIALING and paid and not subscription.ends_at:
        return "active"
    # What is past due and ends goes on being tried: nothing is paid that could be kept until then.
    owes = subscription.status == Subscription.Status.PAST_DUE
    if subscription.status in Subscription.RENEWING and subscription.ends_at and not owes:
        return "ending"
    return WORDS.get(subscription.status, "ended")


def _terms(subscription: Subscription) -> dict[str, Any]:
    return {
        "unit_amount": subscription.unit_amount,
        "currency": subscription.currency,
        "interval": subscription.interval,
        "next_charge_at": _next_charge_at(subscription),
        "paid_through": subscription.paid_through,
        "ends_at": subscription.ends_at,
        "card_brand": subscription.card_brand,
        "card_last4": subscription.card_last4,
        "discounted_amount": subscription.discounted_amount,
        "discount_ends_at": subscription.discount_ends_at,
        "began_at": subscription.created_at,
    }


def _next_charge_at(subscription: Subscription) -> datetime | None:
    """When Stripe charges next: it moves the period about an hour before it charges for it."""
    if not subscription.renews:
        return None
    paid, end = subscription.paid_through, subscription.period_ends_at
    return paid if paid and end and paid < end else end


def _at(instant: int | None) -> datetime | None:
    return None if instant is None else datetime.fromtimestamp(instant, UTC)
