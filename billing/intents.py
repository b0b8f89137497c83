"""Calls that change Stripe: recorded and committed first, made second, their answer recorded third.

An intent's key is derived from what it is for, so that the same wish made twice is one call, and a
call that is repeated after a crash is answered by Stripe as it was the first time. It must never
decide whether a call should be made: whoever records the intent has decided that.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from billing import gateway, refunds, wishes
from billing.backoff import next_try
from billing.models import Checkout, Customer, DomainEvent, Intent, Seat, Subscription

Answer = dict[str, Any]
log = structlog.get_logger()


def perform(intent: Intent, *, now: datetime) -> None:
    """Make the call unless it was answered, and record the answer with what follows from it.

    Raises gateway.StripeAway (the sweep will try again) or gateway.StripeRefused (it is final, and
    said again to whoever asks again).
    """
    if intent.answer and "refused" in intent.answer:
        raise gateway.StripeRefused(intent.error, intent.answer["refused"])
    if intent.answered_at is not None:
        return
    call, apply, refused = KINDS[Intent.Kind(intent.kind)]
    try:
        answer = call(intent.request, intent.idempotency_key)
    except gateway.StripeAway as error:
        _try_later(intent, str(error), now=now)
        raise
    except gateway.StripeRefused as error:
        with transaction.atomic(durable=True):
            if _answer(intent, {"refused": error.code}, now=now, error=str(error)):
                log.warning("intent_refused", intent=intent.pk, kind=intent.kind, code=error.code)
                refused(intent.request, now)
        raise
    with transaction.atomic(durable=True):
        if _answer(intent, answer, now=now):
            apply(intent.request, answer, now)


def due(now: datetime) -> list[Intent]:
    """Return the intents that wait for a try, the oldest first."""
    waiting = Intent.objects.filter(answered_at=None, next_attempt_at__lte=now)
    return list(waiting.order_by("id")[:100])


def update_customer_email(*, payer: Any, now: datetime) -> None:
    """Have Stripe write to this payer's present address from now on."""
    for customer in Customer.objects.filter(payer=payer):
        wishes.record(
            Intent.Kind.UPDATE_CUSTOMER,
            f"email:{customer.stripe_customer_id}:{uuid.uuid4()}",
            {"customer": customer.stripe_customer_id},
            now=now,
        )


def _answer(intent: Intent, answer: Answer, *, now: datetime, error: str = "") -> bool:
    """Record the answer; False if somebody else has recorded one in the meantime."""
    waiting = Intent.objects.filter(pk=intent.pk, answered_at=None)
    return bool(waiting.update(answer=answer, answered_at=now, error=error))


def _try_later(intent: Intent, error: str, *, now: datetime) -> None:
    Intent.objects.filter(pk=intent.pk, answered_at=None).update(
        attempts=intent.attempts + 1, error=error, next_attempt_at=next_try(intent.attempts, now)
    )


def _create_customer(request: Answer, key: str) -> Answer:
    return {"customer": gateway.create_customer(request["email"], request["payer"], key=key)}


def _keep_customer(request: Answer, answer: Answer, now: datetime) -> None:
    Customer.objects.get_or_create(
        payer_id=request["payer"],
        currency=request["currency"],
        ordinal=request["ordinal"],
        defaults={"stripe_customer_id": answer["customer"], "created_at": now},
    )


def _open_checkout(request: Answer, key: str) -> Answer:
    opened = gateway.open_checkout(**request["session"], key=key)
    return {
        "session": opened.id,
        "url": opened.url,
        "expires_at": int(opened.expires_at.timestamp()),
    }


def _keep_checkout(request: Answer, answer: Answer, now: datetime) -> None:
    checkout = Checkout.objects.select_for_update(no_key=True).get(id=request["checkout"])
    checkout.stripe_session_id, checkout.url = answer["session"], answer["url"]
    checkout.expires_at = datetime.fromtimestamp(answer["expires_at"], UTC)
    checkout.check_at = checkout.expires_at + timedelta(minutes=1)
    if checkout.state == Checkout.State.OPENING:
        checkout.state = Checkout.State.OPEN
    elif checkout.state == Checkout.State.ABANDONED:
        wishes.expire(checkout, now=now)
    checkout.save()


def _lose_checkout(request: Answer, _now: datetime) -> None:
    checkout = Checkout.objects.select_for_update(no_key=True).get(id=request["checkout"])
    Seat.objects.filter(checkout=checkout).delete()
    checkout.state = Checkout.State.EXPIRED
    checkout.save(update_fields=["state"])


def _expire_checkout(request: Answer, key: str) -> Answer:
    gateway.expire_checkout(request["session"], key=key)
    return {}


def _cancel(request: Answer, key: str) -> Answer:
    gateway.cancel_subscription(request["subscription"], key=key)
    return {}


def _refund(request: Answer, key: str) -> Answer:
    ended_at, full = request["ended_at"], bool(request.get("full"))
    return refunds.give_back(request["subscription"], ended_at=ended_at, full=full, key=key)


def _note_refund(request: Answer, answer: Answer, now: datetime) -> None:
    if answer["amount"]:
        _note("refunded", request["subscription"], now=now, amount=answer["amount"])


def _set_renewal(request: Answer, key: str) -> Answer:
    gateway.set_renewal(request["subscription"], renews=request["renews"], key=key)
    return {}


def _note_renewal(request: Answer, _answer: Answer, now: datetime) -> None:
    """Only what Stripe has confirmed has happened, and may be told to people."""
    kind = "renewal_resumed" if request["renews"] else "renewal_stopped"
    _note(kind, request["subscription"], now=now, paid_through=request["paid_through"])


def _note(kind: str, stripe_subscription_id: str, *, now: datetime, **data: Any) -> None:
    subscription = (
        Subscription.objects.filter(stripe_subscription_id=stripe_subscription_id)
        .select_related("customer")
        .first()
    )
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        subject_id=subscription.subject_id if subscription else None,
        payer_id=subscription.customer.payer_id if subscription and subscription.customer else None,
        data={"subscription": stripe_subscription_id, **data},
    )


def _update_customer(request: Answer, key: str) -> Answer:
    """Send the address that holds now: of two changes, the later call never brings the older."""
    customer = Customer.objects.select_related("payer").get(stripe_customer_id=request["customer"])
    address = customer.payer.email
    gateway.update_customer_email(request["customer"], address, key=f"{key}:{address}")
    return {}


def _look_again(request: Answer, now: datetime) -> None:
    """A page that cannot be closed was paid or has run out: it is to be settled."""
    Checkout.objects.filter(id=request["checkout"]).update(check_at=now)


def _nothing(_request: Answer, *_: Any) -> None:
    """Nothing follows from this answer."""


Call = Callable[[Answer, str], Answer]
Apply = Callable[[Answer, Answer, datetime], None]
Refused = Callable[[Answer, datetime], None]
KINDS: dict[Intent.Kind, tuple[Call, Apply, Refused]] = {
    Intent.Kind.CREATE_CUSTOMER: (_create_customer, _keep_customer, _nothing),
    Intent.Kind.OPEN_CHECKOUT: (_open_checkout, _keep_checkout, _lose_checkout),
    Intent.Kind.EXPIRE_CHECKOUT: (_expire_checkout, _nothing, _look_again),
    Intent.Kind.CANCEL_SUBSCRIPTION: (_cancel, _nothing, _nothing),
    Intent.Kind.REFUND_SUBSCRIPTION: (_refund, _note_refund, _nothing),
    Intent.Kind.SET_RENEWAL: (_set_renewal, _note_renewal, _nothing),
    Intent.Kind.UPDATE_CUSTOMER: (_update_customer, _nothing, _nothing),
}
