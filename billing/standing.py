"""How a subject stands with its payer, in the words that pages use; reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KT

from billing import queries
from billing.entitlements import resolve
from billing.models import Checkout, Dispute, DomainEvent, Invoice, Seat, Subscription

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
        """What the next charge will be before tax, with the discount that holds then."""
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
    """What is known of a payer's payments, by subject; a subscription comes with all of _FACTS."""

    seats: dict[UUID, Seat]
    subscriptions: dict[UUID, Any]


def _payments(ids: list[UUID], payer: Any) -> _Payments:
    seats = Seat.objects.filter(subject_id__in=ids, payer=payer).select_related("checkout")
    rows = _subscriptions(ids, payer)
    return _Payments(
        seats={seat.subject_id: seat for seat in seats},
        subscriptions={row.subject_id: row for row in rows if row.subject_id},
    )


def _subscriptions(ids: list[UUID], payer: Any) -> QuerySet[Subscription]:
    """The payer's, the one that counts the last of its subject: it holds the seat, or is newest."""
    mine = Q(customer__payer=payer) | Q(seat__payer=payer)
    rows = Subscription.objects.filter(mine, subject_id__in=ids).select_related("grant", "seat")
    seated_last = F("seat").asc(nulls_first=True)
    return rows.annotate(**_FACTS).order_by(seated_last, "created_at", "id")


_INVOICES = Invoice.objects.filter(subscription=OuterRef("pk"))
_OPEN = _INVOICES.filter(status="open").order_by("-created_at")
_DISPUTES = Dispute.objects.filter(invoice__subscription=OuterRef("pk"))
_TOLD = DomainEvent.objects.annotate(its=KT("data__subscription")).filter(
    subject_id=OuterRef("subject_id"), its=OuterRef("stripe_subscription_id")
)
_ASKED = _TOLD.filter(kind="payment_failed").order_by("-id")
# What is known of a subscription's payments, in the statement that finds it.
_FACTS: dict[str, Any] = {
    "paid": Exists(_INVOICES.filter(status="paid", amount_paid__gt=0)),
    "disputed": Exists(_DISPUTES.exclude(status__in=Dispute.HARMLESS | Dispute.LOST)),
    "taken_back": Exists(_DISPUTES.filter(status__in=Dispute.LOST)),
    "refunded": Subquery(
        _INVOICES.values("subscription").annotate(sum=Sum("amount_refunded")).values("sum")
    ),
    "open_id": Subquery(_OPEN.values("pk")[:1]),
    "open_amount": Subquery(_OPEN.values("total")[:1]),
    "retry_at": Subquery(_OPEN.values("next_attempt_at")[:1]),
    "pay_url": Subquery(_OPEN.values("hosted_url")[:1]),
    "asked_for": Subquery(_ASKED.values(what=KT("data__invoice"))[:1]),
    "asked_to_confirm": Subquery(_ASKED.values(what=KT("data__action_required"))[:1]),
    "withdrawn_at": Subquery(_TOLD.filter(kind="withdrawn").values("at")[:1]),
}


def _paying(payments: _Payments, subject_id: UUID, *, now: datetime) -> dict[str, Any]:
    seat, last = payments.seats.get(subject_id), payments.subscriptions.get(subject_id)
    if seat is not None and seat.checkout is not None:
        ends = {"grant_ends_at": _grant_ends_at(last)} if last else {}
        return _checkout(seat.checkout, now=now) | ends
    if last is None:
        return {"state": "none"}
    held = seat is not None and seat.subscription_id == last.pk
    state = _state(last, paid=last.paid, now=now) if held else "ended"
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
        "grant_ends_at": _grant_ends_at(row),
        "disputed": row.disputed,
        "taken_back": row.taken_back,
        "refunded": row.refunded or 0,
        "withdrawn_at": row.withdrawn_at,
        "retry_at": row.retry_at,
        "open_amount": row.open_amount,
        "pay_url": row.pay_url or "",
        "action_required": confirms and row.open_id is not None,
    }


def _grant_ends_at(subscription: Any) -> datetime | None:
    grant = getattr(subscription, "grant", None)
    return grant.ends_at if grant else None


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
