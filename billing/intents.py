"""Calls that change Stripe: recorded and committed first, made second, their answer recorded third.

An intent's key is derived from what it is for, so that the same wish made twice is one call, and a
call that is repeated after a crash is answered by Stripe as it was the first time. It must never
decide whether a call should be made: whoever records the intent has decided that.
"""

import uuid
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from billing import gateway, wishes
from billing.backoff import next_try
from billing.calls import KINDS
from billing.models import Customer, Intent

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
    call = KINDS[Intent.Kind(intent.kind)]
    try:
        answer = call.make(intent.request, intent.idempotency_key)
    except gateway.StripeAway as error:
        _try_later(intent, str(error), now=now)
        raise
    except gateway.StripeRefused as error:
        with transaction.atomic(durable=True):
            if _answer(intent, {"refused": error.code}, now=now, error=str(error)):
                log.warning("intent_refused", intent=intent.pk, kind=intent.kind, code=error.code)
                call.refused(intent.request, now)
        raise
    with transaction.atomic(durable=True):
        if _answer(intent, answer, now=now):
            call.apply(intent.request, answer, now)


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
