"""Switches what a payer pays between monthly and yearly: the amount is shown first.

It must never change a plan, charge more than was shown, or end paid time. Whoever calls has decided
that the payer may.

# Note [Now, or at the paid end]
A longer period begins now: what is left of the old one is credited, the rest is charged at once,
and without that payment nothing changes. A shorter one, and any change while nothing is paid yet
(a trial) or time was added, begins at the end of the time that is paid, without a charge now.

# Note [What was shown is what is charged]
A preview names an instant, and the change is made as of that very instant. An instant that is
older than an hour, or to come, is shown anew instead, and so is a price that is another one by now.
The same wish is the same intent: two clicks and two tabs are one call.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import intents, queries, subjects, subscriptions, wishes
from billing.calls.changing import note_switch
from billing.gateway import StripeAway, StripeRefused, changes
from billing.models import Intent, Seat, StripePrice, Subscription

__all__ = [
    "Declined",
    "NotNow",
    "Quote",
    "Stale",
    "StripeAway",
    "StripeRefused",
    "due",
    "quote",
    "settle",
    "switch",
]

SHOWN_FOR = timedelta(hours=1)
KEPT_FOR = timedelta(hours=24)  # Stripe drops a change that nobody has paid for after 23.
LONGER = ("month", "year")


class NotNow(Exception):
    """There is nothing to switch here now: nothing runs, or it is ending, paused or unpaid."""


class Stale(Exception):
    """The amount was shown too long ago, or not at all: it is to be shown anew."""


class Declined(Exception):
    """The card was declined, or its bank waits for the payer: nothing has changed yet."""

    def __init__(self, pay_url: str) -> None:
        """Take the page on which the payment can still be made; empty where there is none."""
        self.pay_url = pay_url
        super().__init__("The payment for the change was not made.")


@dataclass(frozen=True, slots=True)
class Quote:
    """What a switch would mean; amounts in the currency's minor unit, `due` is charged now."""

    to: str
    interval: str
    unit_amount: int
    currency: str
    at_end: bool
    due: int
    credit: int
    tax: int
    next_charge_at: datetime
    proration_date: int


def quote(*, payer: Any, subject_id: UUID, now: datetime) -> Quote:
    """Say what switching to the other period would cost. Raises NotNow, StripeAway."""
    seat = Seat.objects.filter(subject_id=subject_id, payer=payer)
    held = seat.select_related("subscription").first()
    mirror = _switchable(held.subscription if held else None, now=now)
    price, at_end = _other(mirror)
    if at_end:
        return _quote(price, at_end=True, next_charge_at=_paid_end(mirror), now=now)
    instant = now.replace(microsecond=0)
    shown = changes.preview_change(mirror.stripe_subscription_id, price.stripe_price_id, instant)
    return _quote(
        price,
        at_end=False,
        due=shown.due,
        credit=shown.credit,
        tax=shown.tax,
        next_charge_at=shown.next_charge_at,
        now=instant,
    )


def switch(
    *,
    payer: Any,
    subject_id: UUID,
    to: str,
    unit_amount: int,
    proration_date: int,
    now: datetime,
) -> bool:
    """Switch to the price that was shown; False if it had been switched to already.

    Raises Stale, NotNow, Declined; StripeRefused; StripeAway when the wish is noted but not
    confirmed yet: the sweep makes it good.
    """
    with transaction.atomic(durable=True):
        mirror = _locked(payer, subject_id, now=now)
        newest = _newest(mirror)
        if newest is not None and _is_same(newest, to, proration_date, mirror):
            intent = newest
        elif _has(mirror, to):
            return False
        else:
            intent = _wish(mirror, to, unit_amount, proration_date, now=now)
    try:
        intents.perform(intent, now=now)
    except StripeRefused as error:
        subscriptions.sync(mirror.stripe_subscription_id, now=now)
        if error.code == "card_declined":
            raise Declined("") from error
        raise
    subscriptions.sync(mirror.stripe_subscription_id, now=now)
    intent.refresh_from_db()
    if intent.answer and intent.answer.get("pending"):
        raise Declined(intent.answer["pay_url"])
    return True


def due(now: datetime) -> list[Intent]:
    """Switches that waited for a payment when Stripe answered."""
    waiting = Intent.objects.filter(
        kind=Intent.Kind.SWITCH_PRICE, answer__pending=True, next_attempt_at__lte=now
    )
    return list(waiting.order_by("id")[:100])


def settle(intent: Intent, *, now: datetime) -> None:
    """Learn what became of a switch that waited for its payment, and tell of it if it was made."""
    soon = now + timedelta(minutes=1)
    Intent.objects.filter(pk=intent.pk).update(next_attempt_at=soon)
    stripe_id = intent.request["subscription"]
    price, pending = changes.price_of(stripe_id)
    if pending and intent.created_at > now - KEPT_FOR:
        return
    made = price == intent.request["price"]
    found = changes.change_so_far(stripe_id)
    answer = {"pending": False, "amount": found.charged, "currency": found.currency, "pay_url": ""}
    with transaction.atomic(durable=True):
        locked = Intent.objects.select_for_update(no_key=True).get(pk=intent.pk)
        if not (locked.answer and locked.answer.get("pending")):
            return
        locked.answer = answer | {"made": made}
        locked.save(update_fields=["answer"])
        if made:
            note_switch(locked.request, answer, now)
    subscriptions.sync(stripe_id, now=now)


def _locked(payer: Any, subject_id: UUID, *, now: datetime) -> Subscription:
    subjects.lock(subject_id)
    seats = Seat.objects.filter(subject_id=subject_id, payer=payer)
    seat = seats.select_related("subscription").first()
    return _switchable(seat.subscription if seat else None, now=now)


def _switchable(mirror: Subscription | None, *, now: datetime) -> Subscription:
    """Return it if it runs, renews and is paid for; a renewal that is being charged goes first."""
    good = {Subscription.Status.ACTIVE, Subscription.Status.TRIALING}
    if mirror is None or mirror.status not in good or mirror.ends_at is not None:
        raise NotNow("Only a subscription that runs and renews can be switched.")
    paid, end = mirror.paid_through, mirror.period_ends_at
    if paid is None or paid <= now or (end is not None and end > paid):
        raise NotNow("A charge is being made at this moment.")
    return mirror


def _other(mirror: Subscription) -> tuple[StripePrice, bool]:
    """The price of the other period, and whether it begins at the paid end only."""
    wanted = "year" if mirror.interval == "month" else "month"
    for price in queries.offers(currency=mirror.currency):
        if (price.plan, price.interval) == (mirror.plan, wanted):
            found = StripePrice.objects.filter(lookup_key=price.lookup_key).first()
            if found is not None:
                return found, _at_end(mirror, wanted)
    raise NotNow("There is no other period to switch to.")


def _at_end(mirror: Subscription, wanted: str) -> bool:
    """See Note [Now, or at the paid end]."""
    shorter = LONGER.index(wanted) < LONGER.index(mirror.interval)
    return shorter or mirror.status == Subscription.Status.TRIALING


def _paid_end(mirror: Subscription) -> datetime:
    if mirror.paid_through is None:
        raise NotNow("Nothing is paid yet.")
    return mirror.paid_through


def _quote(
    price: StripePrice,
    *,
    at_end: bool,
    next_charge_at: datetime,
    now: datetime,
    due: int = 0,
    credit: int = 0,
    tax: int = 0,
) -> Quote:
    return Quote(
        to=price.lookup_key,
        interval=price.interval,
        unit_amount=price.unit_amount,
        currency=price.currency,
        at_end=at_end,
        due=due,
        credit=credit,
        tax=tax,
        next_charge_at=next_charge_at,
        proration_date=int(now.timestamp()),
    )


def _wish(
    mirror: Subscription, to: str, unit_amount: int, proration_date: int, *, now: datetime
) -> Intent:
    """Write down a new wish; one that was overtaken before its call was made is never called."""
    price, at_end = _other(mirror)
    shown_at = datetime.fromtimestamp(proration_date, UTC)
    shown = (price.lookup_key, price.unit_amount) == (to, unit_amount)
    if not shown or not now - SHOWN_FOR <= shown_at <= now:
        raise Stale("The amount is to be shown anew.")
    stripe_id = mirror.stripe_subscription_id
    earlier = _earlier(mirror)
    earlier.filter(answered_at=None).update(answered_at=now, answer={"overtaken": True})
    # Stripe drops a change that waits for its payment for the next one: only that one is told.
    earlier.filter(answer__pending=True).update(answer={"overtaken": True})
    request = {
        "subscription": stripe_id,
        "price": price.stripe_price_id,
        "from": _lookup_key(mirror),
        "to": to,
        "at": int(_paid_end(mirror).timestamp()),
        "proration_date": proration_date,
    }
    kind = Intent.Kind.SWITCH_AT_END if at_end else Intent.Kind.SWITCH_PRICE
    return wishes.record(kind, f"switch:{stripe_id}:{earlier.count() + 1}", request, now=now)[0]


def _earlier(mirror: Subscription) -> Any:
    prefix = f"switch:{mirror.stripe_subscription_id}:"
    return Intent.objects.filter(idempotency_key__startswith=prefix)


def _newest(mirror: Subscription) -> Intent | None:
    found: Intent | None = _earlier(mirror).order_by("-id").first()
    return found


def _is_same(wish: Intent, to: str, proration_date: int, mirror: Subscription) -> bool:
    """Whether this is that wish again: the same form, or one that the mirror cannot show yet.

    That is known by the order of tickets: the clocks of two machines do not agree.
    """
    if wish.answer and {"refused", "overtaken", "made"} & set(wish.answer):
        return False
    if (wish.request["to"], wish.request["proration_date"]) == (to, proration_date):
        return True
    seen = (wish.answer or {}).get("ticket", 0)
    ahead = wish.answered_at is None or mirror.recorded_ticket <= seen
    return bool(ahead and wish.request["to"] == to)


def _has(mirror: Subscription, to: str) -> bool:
    price = StripePrice.objects.filter(lookup_key=to).first()
    return price is not None and (price.interval, price.plan) == (mirror.interval, mirror.plan)


def _lookup_key(mirror: Subscription) -> str:
    """The key of what is paid now; an old price has none of its own and is named by its period."""
    for price in queries.offers(currency=mirror.currency):
        if (price.plan, price.interval) == (mirror.plan, mirror.interval):
            return price.lookup_key
    return mirror.interval
