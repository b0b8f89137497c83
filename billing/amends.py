"""What staff do to a subscription on a payer's word: end it now, pay back, make it longer.

It must never decide that it is to be done, nor for whom; whoever calls has. Each wish is told apart
by its subscription, or by a token of the form it came from: sent twice it is done once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db import transaction

from billing import grants, intents, subjects, subscriptions, wishes
from billing.gateway import StripeAway, StripeRefused
from billing.grants import HasItForGood
from billing.models import DomainEvent, Intent, Invoice, Subscription

__all__ = [
    "Extended",
    "HasItForGood",
    "NothingToExtend",
    "Refund",
    "StripeAway",
    "StripeRefused",
    "TooMuch",
    "cancel_now",
    "extend",
    "left_to_refund",
    "refund",
]


class Refund(StrEnum):
    """What goes back to the card when a subscription is ended early."""

    NONE = "none"
    UNUSED = "unused"
    FULL = "full"


class TooMuch(ValueError):
    """More is to be given back than is left of a payment."""


class NothingToExtend(Exception):
    """There is no paid time that could be made longer."""


@dataclass(frozen=True, slots=True)
class Extended:
    """Until when the paid time lasts now; `as_gift` where it was given instead of put off."""

    until: datetime
    as_gift: bool
    new: bool


def cancel_now(
    *, subscription_id: int, refund: Refund, reason: str, actor: Any, now: datetime
) -> bool:
    """End a subscription at once: the grant ends, the seat is free, money goes back as said.

    False, and nothing is changed, if its end had been asked for before. Raises StripeRefused;
    StripeAway when all of it is noted but not confirmed yet: the sweep makes it good.
    """
    with transaction.atomic(durable=True):
        mirror = _locked(subscription_id)
        if mirror.status in Subscription.ENDED or not subjects.end_now(
            mirror, refund=refund != Refund.NONE, full=refund == Refund.FULL, now=now
        ):
            return False
        facts = {"reason": reason, "refund": refund.value}
        _note("cancelled_now", mirror, actor=actor, now=now, **facts)
    ends = list(wishes.ends([mirror.stripe_subscription_id]).values())
    _make([*ends, *wishes.refunds_of(ends)], mirror, now=now)
    return True


def left_to_refund(invoice: Invoice) -> int:
    """How much of what was paid is neither given back nor on its way back, in the minor unit.

    The mirror learns of a refund only some time after we have asked for it.
    """
    asked = Intent.objects.filter(
        kind=Intent.Kind.REFUND_INVOICE, idempotency_key__startswith=f"refund:{invoice.pk}:"
    )
    ending = Intent.objects.filter(
        kind=Intent.Kind.REFUND_SUBSCRIPTION,
        request__subscription=invoice.subscription.stripe_subscription_id,
        answered_at=None,
    )
    if ending.exists():
        return 0  # Nobody knows yet how much goes back with its end; it may be all.
    failed = DomainEvent.objects.filter(
        subject_id=invoice.subscription.subject_id, kind="refund_failed", data__invoice=invoice.pk
    )
    returned = set(failed.values_list("data__refund", flat=True))  # It can be given once more.
    made = [
        row
        for row in asked
        if not wishes.is_refused(row) and (row.answer or {}).get("refund") not in returned
    ]
    waiting: int = sum(row.request["amount"] for row in made if row.answered_at is None)
    all_made: int = sum(row.request["amount"] for row in made)
    gone = max(all_made, invoice.amount_refunded + waiting)
    return max(invoice.amount_paid - gone, 0)


def refund(
    *, invoice_id: str, amount: int, reason: str, token: str, actor: Any, now: datetime
) -> bool:
    """Give back a part of what an invoice was paid with; what it paid for goes on.

    False if this very form was sent before. Raises TooMuch; StripeRefused; StripeAway when it is
    noted but not confirmed yet.
    """
    key = f"refund:{invoice_id}:{token}"
    with transaction.atomic(durable=True):
        rows = Invoice.objects.select_for_update(no_key=True, of=("self",))
        invoice = rows.select_related("subscription").get(pk=invoice_id)
        if Intent.objects.filter(idempotency_key=key).exists():
            return False
        if not 0 < amount <= left_to_refund(invoice):
            raise TooMuch("Not that much is left of what was paid.")
        request = {
            "invoice": invoice_id,
            "subscription": invoice.subscription.stripe_subscription_id,
            "amount": amount,
            "currency": invoice.currency,
            **_asked(reason, actor),
        }
        intent, _ = wishes.record(Intent.Kind.REFUND_INVOICE, key, request, now=now)
    _make([intent], invoice.subscription, now=now)
    return True


def extend(
    *, subscription_id: int, days: int, reason: str, token: str, actor: Any, now: datetime
) -> Extended:
    """Let the paid time last some days longer: the next charge is put off, nothing is prorated.

    One that is ending has no next charge: its subject is given the days after its end. Extensions
    add up. Raises NothingToExtend, HasItForGood; StripeRefused; StripeAway as `refund` does.
    """
    with transaction.atomic(durable=True):
        mirror = _locked(subscription_id)
        if mirror.paid_through is None or mirror.paid_through <= now:
            raise NothingToExtend(
                "No paid time is left here. While a charge is due or has failed nothing can be put "
                "off; give the car some days of goodwill instead."
            )
        if mirror.ends_at is not None:
            return _give(mirror, days, reason, token, actor, now=now)
        if mirror.status not in {Subscription.Status.ACTIVE, Subscription.Status.TRIALING}:
            raise NothingToExtend(f"A subscription that is {mirror.status} cannot be extended.")
        intent, new = _put_off(mirror, days, reason, token, actor, now=now)
    if new:
        _make([intent], mirror, now=now)
    until = datetime.fromtimestamp(intent.request["until"], UTC)
    return Extended(until, as_gift=False, new=new)


def _give(
    mirror: Subscription, days: int, reason: str, token: str, actor: Any, *, now: datetime
) -> Extended:
    if mirror.subject_id is None:
        raise NothingToExtend("This subscription is for no car yet: adopt it first.")
    given = grants.goodwill(
        subject_id=mirror.subject_id,
        plan=mirror.plan,
        days=days,
        afterwards=True,
        reason=reason,
        token=token,
        told=mirror.customer.payer if mirror.customer else None,
        actor=actor,
        now=now,
    )
    return Extended(given.until, as_gift=True, new=given.new)


def _put_off(
    mirror: Subscription, days: int, reason: str, token: str, actor: Any, *, now: datetime
) -> tuple[Intent, bool]:
    """Write down the call, from the end that earlier ones lead to, confirmed or not."""
    prefix = f"extend:{mirror.stripe_subscription_id}:"
    earlier = Intent.objects.filter(idempotency_key__startswith=prefix)
    wished = [intent.request["until"] for intent in earlier if not wishes.is_refused(intent)]
    paid = int(mirror.paid_through.timestamp()) if mirror.paid_through else 0
    until = max([paid, *wished]) + days * 86_400
    request = {
        "subscription": mirror.stripe_subscription_id,
        "days": days,
        "until": until,
        **_asked(reason, actor),
    }
    return wishes.record(Intent.Kind.EXTEND, f"{prefix}{token}", request, now=now)


def _locked(subscription_id: int) -> Subscription:
    """Lock the subject, if there is one, and then the subscription."""
    rows = Subscription.objects.filter(pk=subscription_id)
    subject_id = rows.values_list("subject_id", flat=True).get()
    if subject_id is not None:
        subjects.lock(subject_id)
    locked = rows.select_for_update(no_key=True, of=("self",))
    return locked.select_related("customer__payer").get()


def _asked(reason: str, actor: Any) -> dict[str, Any]:
    return {"reason": reason, "actor": str(actor.pk) if actor else None}


def _note(kind: str, mirror: Subscription, *, actor: Any, now: datetime, **data: str) -> None:
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        subject_id=mirror.subject_id,
        payer_id=mirror.customer.payer_id if mirror.customer else None,
        actor=actor,
        data={"subscription": mirror.stripe_subscription_id, **data},
    )


def _make(made: Any, mirror: Subscription, *, now: datetime) -> None:
    """Make the calls, and bring the mirror up to date whatever Stripe says to them."""
    try:
        for intent in made:
            intents.perform(intent, now=now)
    finally:
        subscriptions.sync(mirror.stripe_subscription_id, now=now)
