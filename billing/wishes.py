"""Writes down the calls to Stripe that are to be made; billing.intents makes them.

Apart from them, so that whoever ends something can say so without ever calling Stripe.

# Note [An end that was refused]
A subscription's end is asked for once, under one key: the second wish is the first. If Stripe
refuses it, the subscription runs on and charges, so that wish counts as none: the next one has a
number of its own. The number follows a word, so that no key of a generation is the same.

# Note [The newest wish counts]
A wish is an intent, numbered per subscription under the subject's lock. Until a sync later than
its answer, the newest wish says more than the mirror does: a second click finds it and adds none.
A wish that was overtaken before its call was made is answered as such and never called.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import F

from billing.models import Checkout, Intent, Subscription


def record(
    kind: Intent.Kind, key: str, request: dict[str, Any], *, now: datetime
) -> tuple[Intent, bool]:
    """Write down a call; the same key is the same intent. The bool says whether it is new."""
    return Intent.objects.get_or_create(
        idempotency_key=key,
        defaults={"kind": kind, "request": request, "created_at": now, "next_attempt_at": now},
    )


def is_refused(intent: Intent) -> bool:
    """Whether Stripe has refused the call, so that nothing came of the wish."""
    return bool(intent.answer and "refused" in intent.answer)


def ends(stripe_subscription_ids: Iterable[str]) -> dict[str, Intent]:
    """The newest wish to end each of these at once; see Note [An end that was refused]."""
    found: dict[str, Intent] = {}
    wanted, number = list(stripe_subscription_ids), 1
    while wanted:
        keys = {_numbered("cancel", stripe_id, number): stripe_id for stripe_id in wanted}
        rows = Intent.objects.filter(idempotency_key__in=keys)
        newest = {keys[row.idempotency_key]: row for row in rows}
        found |= newest
        wanted = [stripe_id for stripe_id, row in newest.items() if is_refused(row)]
        number += 1
    return found


def refunds_of(ends: Iterable[Intent]) -> list[Intent]:
    """The wishes to give money back that were written with these ends."""
    keys = [f"refund:{end.idempotency_key.removeprefix('cancel:')}" for end in ends]
    return list(Intent.objects.filter(idempotency_key__in=keys)) if keys else []


def end(
    stripe_subscription_id: str, request: dict[str, Any], *, refund: bool, now: datetime
) -> bool:
    """Have a subscription end at once; False if that was asked before, and not refused."""
    kind, number = Intent.Kind.CANCEL_SUBSCRIPTION, 1
    intent, new = record(kind, _numbered("cancel", stripe_subscription_id, 1), request, now=now)
    while not new and is_refused(intent):
        number += 1
        key = _numbered("cancel", stripe_subscription_id, number)
        intent, new = record(kind, key, request, now=now)
    if new and refund:
        key = _numbered("refund", stripe_subscription_id, number)
        record(Intent.Kind.REFUND_SUBSCRIPTION, key, request, now=now)
    return new


def give_back(stripe_subscription_id: str, *, unused_from: datetime, now: datetime) -> None:
    """Have what pays for the time since `unused_from` go back, of what ended without our asking.

    Where its end was asked for here, it was decided with it what goes back.
    """
    if ends([stripe_subscription_id]):
        return
    since = int(unused_from.timestamp())
    request = {"subscription": stripe_subscription_id, "ended_at": since, "full": False}
    key = _numbered("refund", stripe_subscription_id, 1)
    record(Intent.Kind.REFUND_SUBSCRIPTION, key, request, now=now)


def refund_again(stripe_subscription_id: str, *, refused: str, now: datetime) -> None:
    """Have asked again for what Stripe refused to give back, for this reason of its own.

    Under a new key, since Stripe would repeat its refusal to the old one.
    """
    held = Intent.objects.filter(
        kind=Intent.Kind.REFUND_SUBSCRIPTION,
        idempotency_key__startswith=_numbered("refund", stripe_subscription_id, 1),
        answer__refused=refused,
    )
    again = {"answer": None, "answered_at": None, "error": "", "next_attempt_at": now}
    held.update(**again, generation=F("generation") + 1)


def _numbered(verb: str, stripe_subscription_id: str, number: int) -> str:
    first = f"{verb}:{stripe_subscription_id}"
    return first if number == 1 else f"{first}:again:{number}"


def renew(mirror: Subscription, *, renews: bool, because: str = "", now: datetime) -> Intent | None:
    """Have a subscription renew, or end with its paid time, unless it does so already.

    See Note [The newest wish counts]; the subject and the row are locked. `because` is the event
    that it follows from, and that tells of it, but of the first such wish only.
    """
    prefix = f"renewal:{mirror.stripe_subscription_id}:"
    earlier = Intent.objects.filter(idempotency_key__startswith=prefix)
    newest = earlier.order_by("-id").first()
    if newest is not None and _is_ahead(newest, mirror):
        if newest.request["renews"] == renews:
            return newest
    elif (mirror.ends_at is None) == renews:
        return None
    earlier.filter(answered_at=None).update(answered_at=now, answer={"overtaken": True})
    told = because and earlier.filter(request__because=because).exists()
    request = {
        "subscription": mirror.stripe_subscription_id,
        "renews": renews,
        "paid_through": mirror.paid_through.isoformat() if mirror.paid_through else "",
        "because": "" if told else because,
    }
    key = f"{prefix}{earlier.count() + 1}"
    return record(Intent.Kind.SET_RENEWAL, key, request, now=now)[0]


def stopping(stripe_subscription_ids: Iterable[str]) -> set[str]:
    """Those whose renewal is about to be stopped: the call has not been answered yet."""
    open_ = Intent.objects.filter(
        kind=Intent.Kind.SET_RENEWAL,
        answered_at=None,
        request__renews=False,
        request__subscription__in=list(stripe_subscription_ids),
    )
    return set(open_.values_list("request__subscription", flat=True))


def _is_ahead(wish: Intent, mirror: Subscription) -> bool:
    """Whether the mirror was fetched before this wish was done, so that it cannot show it.

    By the order of tickets, not by the time: whoever made the call may have begun long before.
    """
    if wish.answered_at is None or mirror.synced_at is None:
        return True
    done = wish.answer.get("ticket") if wish.answer else None
    if done is None:  # It was refused or overtaken, so that there is nothing to be shown.
        return mirror.synced_at < wish.answered_at
    return bool(mirror.recorded_ticket <= done)


def expire(checkout: Checkout, *, now: datetime) -> Intent:
    """Have a payment page closed at Stripe."""
    request = {"checkout": str(checkout.id), "session": checkout.stripe_session_id}
    return record(Intent.Kind.EXPIRE_CHECKOUT, f"expire:{checkout.id}", request, now=now)[0]
