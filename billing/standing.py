"""How a subject stands with its payer, in the words that pages use; reads only."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from billing import queries
from billing.entitlements import resolve
from billing.models import Checkout, Dispute, Grant, Invoice, Seat, Subscription

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
    disputed: bool = False
    taken_back: bool = False

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


def standings(subject_ids: Iterable[UUID], *, payer: Any, now: datetime) -> dict[UUID, Standing]:
    """How these subjects stand with this payer, in a fixed number of queries.

    What somebody else pays or paid for them is nobody's business but theirs.
    """
    ids = list(subject_ids)
    facts, sold = queries.facts(ids), queries.catalog()
    seats = {seat.subject_id: seat for seat in _seats(ids, payer)}
    last = _last_subscriptions(ids, payer)
    held = {seat.subscription_id for seat in seats.values() if seat.subscription_id}
    known = _known(held | {row.pk for row in last.values()})
    ends = dict(
        Grant.objects.filter(subscription__in=last.values()).values_list("subject_id", "ends_at")
    )
    found = {}
    for subject_id in ids:
        grants = facts[subject_id].grants if subject_id in facts else ()
        verdict = resolve(grants, sold, frozenset(), subject_id, int(now.timestamp()))
        found[subject_id] = Standing(
            plan=verdict.plan,
            reason=verdict.reason,
            changes_at=_at(verdict.next_change_at),
            grant_ends_at=ends.get(subject_id),
            **_paying(seats.get(subject_id), last.get(subject_id), known, now=now),
        )
    return found


def _seats(ids: list[UUID], payer: Any) -> Iterable[Seat]:
    mine = Seat.objects.filter(subject_id__in=ids, payer=payer)
    return mine.select_related("checkout", "subscription")


def _last_subscriptions(ids: list[UUID], payer: Any) -> dict[UUID, Subscription]:
    rows = Subscription.objects.filter(subject_id__in=ids, customer__payer=payer).order_by(
        "created_at", "id"
    )
    return {row.subject_id: row for row in rows if row.subject_id}


@dataclass(frozen=True, slots=True)
class _Payments:
    """What is known of the payments of some subscriptions, by their keys."""

    paid: frozenset[int]
    disputed: frozenset[int]
    taken_back: frozenset[int]
    open: dict[int, Invoice]


def _known(subscriptions: set[int]) -> _Payments:
    paid = Invoice.objects.filter(subscription=OuterRef("pk"), status="paid", amount_paid__gt=0)
    disputes = Dispute.objects.filter(invoice__subscription=OuterRef("pk"))
    disputed = disputes.exclude(status__in=Dispute.HARMLESS | Dispute.LOST)
    lost = disputes.filter(status__in=Dispute.LOST)
    rows = Subscription.objects.filter(pk__in=subscriptions).values_list(
        "pk", Exists(paid), Exists(disputed), Exists(lost)
    )
    found = list(rows)
    waiting = Invoice.objects.filter(subscription__in=subscriptions, status="open")
    return _Payments(
        paid=frozenset(pk for pk, is_paid, _, _ in found if is_paid),
        disputed=frozenset(pk for pk, _, is_disputed, _ in found if is_disputed),
        taken_back=frozenset(pk for pk, _, _, is_lost in found if is_lost),
        open={row.subscription_id: row for row in waiting.order_by("created_at")},
    )


def _paying(
    seat: Seat | None, last: Subscription | None, known: _Payments, *, now: datetime
) -> dict[str, Any]:
    if seat is not None and seat.subscription is not None:
        mirror = seat.subscription
        state = _state(mirror, paid=mirror.pk in known.paid, now=now)
        return {"state": state, **_terms(mirror), **_payments(mirror, known)}
    if seat is not None and seat.checkout is not None:
        return _checkout(seat.checkout, now=now)
    if last is not None:
        return {"state": "ended", **_terms(last)}
    return {"state": "none"}


def _checkout(checkout: Checkout, *, now: datetime) -> dict[str, Any]:
    if checkout.expires_at <= now:
        return {"state": "none"}
    return {
        "state": "checkout_open",
        "checkout_url": checkout.url,
        "lookup_key": checkout.lookup_key,
    }


def _payments(subscription: Subscription, known: _Payments) -> dict[str, Any]:
    invoice = known.open.get(subscription.pk)
    found: dict[str, Any] = {
        "disputed": subscription.pk in known.disputed,
        "taken_back": subscription.pk in known.taken_back,
    }
    if invoice is not None:
        found |= {
            "retry_at": invoice.next_attempt_at,
            "open_amount": invoice.total,
            "pay_url": invoice.hosted_url,
        }
    return found


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
