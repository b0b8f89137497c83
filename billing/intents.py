"""Calls that change Stripe: recorded and committed first, made second, their answer recorded third.

An intent's key is derived from what it is for, so that the same wish made twice is one call. It
must never decide whether a call should be made: whoever records the intent has decided that.

# Note [Looked up, not guessed]
That a call was tried is committed before it goes out. If its answer is then not known (a crash, a
timeout, a cut connection, a 500), nobody guesses: the next attempt first asks Stripe whether the
call was done (`Call.find`). If it was, that is the answer. If it was not, the call is made again
under the same key, so that Stripe itself sees to it that a late first call and the second are one.
A key dies after 24 hours, and Stripe repeats a 500 to it until then; so after 23 hours, or after a
500, the call goes out under a fresh key that follows from the old one and the intent's generation.

# Note [One at a time]
Two workers never make one intent's call at once: a lock of the session is held over the call. It
goes with its connection, so that a killed worker leaves no intent that nobody may touch.
"""

import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from billing import gateway, locks, wishes
from billing.backoff import next_try
from billing.calls import KINDS, Call
from billing.models import Customer, Intent

Answer = dict[str, Any]
log = structlog.get_logger()
KEY_LIVES = timedelta(hours=23)
PATIENCE = 4.0  # seconds for which a person waits for the worker that is making the call
GLANCE = 0.1


class BeingMade(gateway.StripeAway):
    """Somebody else is making this very call, and has not heard an answer yet."""


def perform(intent: Intent, *, now: datetime, patience: float = PATIENCE) -> None:
    """Make the call unless it was answered, and record the answer with what follows from it.

    Raises gateway.StripeAway (the sweep will try again), BeingMade among them if another worker
    has not answered it within `patience` seconds, or gateway.StripeRefused (it is final, and said
    again to whoever asks again).
    """
    until = time.monotonic() + patience
    while not _is_answered(intent):
        with locks.only_one(f"billing.intent:{intent.pk}") as mine:
            if mine:
                intent.refresh_from_db()  # What another worker has done in the meantime counts.
                if not _is_answered(intent):
                    _attempt(intent, now=now)
                return
        if time.monotonic() >= until:
            raise BeingMade("This is being done at this very moment; look again shortly.")
        time.sleep(GLANCE)
        intent.refresh_from_db()


def retry(intent: Intent, *, now: datetime) -> None:
    """Make good a call that nobody waits for; one that is being made is left to its maker.

    A refusal that was foreseen has had its consequence; any other is raised.
    """
    try:
        perform(intent, now=now, patience=0)
    except gateway.StripeRefused:
        if not KINDS[Intent.Kind(intent.kind)].foresees_refusal:
            raise
    except BeingMade:
        log.info("intent_is_being_made", intent=intent.pk, kind=intent.kind)


def due(now: datetime) -> list[Intent]:
    """Return the intents that wait for a try, the oldest first."""
    waiting = Intent.objects.filter(answered_at=None, next_attempt_at__lte=now)
    return list(waiting.order_by("id")[:100])


def update_customer_email(*, payer: Any, now: datetime) -> None:
    """Have Stripe write to this payer's present address from now on."""
    for customer in Customer.objects.filter(payer=payer, gone_at=None):
        wishes.record(
            Intent.Kind.UPDATE_CUSTOMER,
            f"email:{customer.stripe_customer_id}:{uuid.uuid4()}",
            {"customer": customer.stripe_customer_id},
            now=now,
        )


def _is_answered(intent: Intent) -> bool:
    """Whether there is nothing left to do. Raises gateway.StripeRefused if that was the answer."""
    if intent.answer and "refused" in intent.answer:
        raise gateway.StripeRefused(intent.error, intent.answer["refused"])
    return intent.answered_at is not None


def _attempt(intent: Intent, *, now: datetime) -> None:
    call = KINDS[Intent.Kind(intent.kind)]
    try:
        answer = _found(intent, call)
        if answer is None:
            _about_to_call(intent, now=now)
            answer = _made(intent, call)
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


def _found(intent: Intent, call: Call) -> Answer | None:
    """Look up what came of an earlier attempt; None if there was none, or if nothing came."""
    if intent.first_attempt_at is None:
        return None
    answer = call.find(intent.request, intent.idempotency_key)
    log.info("intent_looked_up", intent=intent.pk, kind=intent.kind, found=answer is not None)
    return answer


def _about_to_call(intent: Intent, *, now: datetime) -> None:
    """Commit that a call goes out, and under which key."""
    first = intent.first_attempt_at
    if first is not None and now - first < KEY_LIVES:
        return
    intent.generation += first is not None
    intent.first_attempt_at = now
    intent.save(update_fields=["first_attempt_at", "generation"])


def _made(intent: Intent, call: Call) -> Answer:
    try:
        return call.make(intent.request, _key(intent))
    except gateway.StripeFailed:
        # Stripe would repeat this to the key for a day.
        intent.generation += 1
        intent.save(update_fields=["generation"])
        raise


def _key(intent: Intent) -> str:
    """The intent's own key, or a fresh one that follows from it."""
    own = intent.idempotency_key
    return f"{own}:{intent.generation}" if intent.generation else own


def _answer(intent: Intent, answer: Answer, *, now: datetime, error: str = "") -> bool:
    """Record the answer; False if somebody else has recorded one in the meantime."""
    waiting = Intent.objects.filter(pk=intent.pk, answered_at=None)
    return bool(waiting.update(answer=answer, answered_at=now, error=error))


def _try_later(intent: Intent, error: str, *, now: datetime) -> None:
    Intent.objects.filter(pk=intent.pk, answered_at=None).update(
        attempts=intent.attempts + 1, error=error, next_attempt_at=next_try(intent.attempts, now)
    )
