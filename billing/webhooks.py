"""Stripe's webhooks: received once, handled once.

# Note [Events are hints]
An event says that something has changed: what has, is fetched. It is done only when a fetch that
began after its receipt is recorded, so lost order, repeats and delays change nothing. One fetch
answers all events about a subscription that were here before it began. Two kinds are not fetched
at once: a paid renewal is believed (see the Note in billing.believed), and an update
that only turned the period waits for its payment (CALM). Once that is known there is nothing left
to ask, so of the eight events that a renewal brings none is fetched.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from billing import (
    believed,
    budget,
    checkout,
    disputes,
    gateway,
    locks,
    repayments,
    subscriptions,
    turning,
)
from billing.backoff import next_try
from billing.models import StripeEvent

log = structlog.get_logger()
ID = re.compile(r"[a-z]+_[A-Za-z0-9_]{1,200}")  # Stripe's form; it goes into addresses
CALM = timedelta(hours=2)  # Stripe charges an hour after a period has turned.
SOON = timedelta(seconds=1)
BATCH = 100  # renewals that are recorded in one transaction
SUBSCRIPTION_EVENTS = {
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
}
INVOICE_EVENTS = {
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.voided",
    "invoice.marked_uncollectible",
}
SESSION_EVENTS = {"checkout.session.completed", "checkout.session.expired"}
REFUND_EVENTS = {"charge.refunded", "refund.updated", "refund.failed"}
DISPUTE_EVENTS = {
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
}
HANDLED = SUBSCRIPTION_EVENTS | INVOICE_EVENTS | SESSION_EVENTS | REFUND_EVENTS | DISPUTE_EVENTS
_CYCLE = "subscription_cycle"
_RENEWAL = Q(type="invoice.paid", payload__data__object__billing_reason=_CYCLE)
_INSERT = """
    INSERT INTO billing_stripeevent (stripe_event_id, type, api_version, state,
        stripe_subscription_id, payload, received_at, attempts, next_attempt_at, error)
    VALUES (%(stripe_event_id)s, %(type)s, %(api_version)s, %(state)s,
        %(stripe_subscription_id)s, %(payload)s::jsonb, %(received_at)s, 0, %(next_attempt_at)s, '')
    ON CONFLICT (stripe_event_id) DO NOTHING RETURNING id
"""


def receive(body: bytes, signature: str, *, now: datetime, wall: int) -> StripeEvent:
    """Store an event that Stripe has signed, once, and return its row.

    One that we do not handle is kept as ignored, one in another API version as parked. Raises
    gateway.SignatureInvalid, and ValueError for a signed body that is no event.
    """
    return take_in(gateway.verified_event(body, signature, wall=wall), now=now)


def take_in(payload: dict[str, Any], *, now: datetime) -> StripeEvent:
    """Store an event, once, however it came here, and return its row."""
    kind = str(payload.get("type", ""))
    version = str(payload.get("api_version") or "")
    event = StripeEvent(
        stripe_event_id=payload["id"],
        type=kind[:128],
        api_version=version[:64],
        state=_state(kind, version),
        stripe_subscription_id=_subscription_id(kind, payload),
        payload=payload,
        received_at=now,
        next_attempt_at=now + CALM if turning.turned_to(kind, payload) else now,
    )
    return event if _insert(event) else StripeEvent.objects.get(stripe_event_id=payload["id"])


def _insert(event: StripeEvent) -> bool:
    """Store an event unless it is known, in one round trip: hundreds come in a second."""
    row = {**vars(event), "payload": json.dumps(event.payload)}
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, row)
        found = cursor.fetchone()
    event.pk = found[0] if found else None
    return found is not None


def process(event_id: int, *, now: datetime) -> None:
    """Bring up to date what the event is about, and mark all events that this has answered.

    Raises gateway.StripeAway, budget.Spent, or what else went wrong; the event then waits for its
    next try, as it does if somebody else is fetching the same subscription just now.
    """
    event = StripeEvent.objects.get(id=event_id)
    if event.state != StripeEvent.State.RECEIVED:
        return
    if _is_believed(event, now=now):
        return
    with locks.only_one(f"event:{event.stripe_subscription_id or event.stripe_event_id}") as mine:
        if not mine:
            _wait(event, now + SOON)
        while mine and (answered := _waiting_with(event)):
            _answer(event, answered, now=now)


def record_renewals(*, now: datetime) -> tuple[int, list[int]]:
    """Record a batch of paid renewals that wait, oldest first; return how many it was.

    And which of them this has not answered: those are to be processed, each by itself. If the batch
    fails it is all of them, so that one that cannot be read keeps no other waiting.
    """
    events = list(_renewals(now).order_by("next_attempt_at", "id")[:BATCH])
    try:
        with transaction.atomic(durable=True):
            answered = set(_believe(events, now=now))
    except Exception:
        log.exception("batch_failed", events=[event.pk for event in events])
        answered = set()
    left = [event.pk for event in events if event.pk not in answered]
    StripeEvent.objects.filter(id__in=left).update(next_attempt_at=now + SOON)
    return len(events), left


def has_renewals(*, now: datetime) -> bool:
    """Whether a renewal that was paid waits."""
    return _renewals(now).exists()


def is_renewal(event: StripeEvent) -> bool:
    """Whether an event is one of those that are recorded together."""
    return event.type == "invoice.paid" and _object(event.payload).get("billing_reason") == _CYCLE


def _renewals(now: datetime) -> QuerySet[StripeEvent]:
    """Those that wait and of which `is_renewal` holds."""
    waiting = StripeEvent.objects.filter(state=StripeEvent.State.RECEIVED, next_attempt_at__lte=now)
    return waiting.filter(_RENEWAL)


def _believe(events: list[StripeEvent], *, now: datetime) -> list[int]:
    answered = believed.record(events, now=now)
    _close(answered, StripeEvent.State.HANDLED, "", now=now)
    return answered


def _is_believed(event: StripeEvent, *, now: datetime) -> bool:
    """Whether it is a renewal that is now recorded from the event itself, or the turn before it."""
    turn = turning.turned_to(event.type, event.payload)
    try:
        if turn is None:
            with transaction.atomic(durable=True):
                return bool(_believe([event], now=now))
        if believed.is_paid_through(event.stripe_subscription_id, turn):
            _close([event.id], StripeEvent.State.HANDLED, "", now=now)
            return True
    except Exception as error:
        _try_later(event, error, now=now)
        raise
    return False


def _answer(event: StripeEvent, answered: list[int], *, now: datetime) -> None:
    try:
        budget.take(now=now)
        _bring_up_to_date(event, now=now)
    except budget.Spent:
        _wait(event, now + SOON)
        raise
    except gateway.StripeRefused as error:
        # A refusal is final: what was deleted is of no interest, the rest is for people to look at.
        gone = error.code == gateway.GONE
        state = StripeEvent.State.IGNORED if gone else StripeEvent.State.PARKED
        _close(answered, state, str(error), now=now)
    except Exception as error:
        _try_later(event, error, now=now)
        raise
    else:
        _close(answered, StripeEvent.State.HANDLED, "", now=now)


def unpark(*, now: datetime) -> None:
    """Read what was parked for its API version, once we speak that version."""
    parked = StripeEvent.objects.filter(
        state=StripeEvent.State.PARKED, api_version=gateway.API_VERSION, handled_at=None
    )
    for event in parked[:500]:
        event.stripe_subscription_id = _subscription_id(event.type, event.payload)
        event.state, event.next_attempt_at = StripeEvent.State.RECEIVED, now
        event.save(update_fields=["stripe_subscription_id", "state", "next_attempt_at"])


def _wait(event: StripeEvent, until: datetime) -> None:
    StripeEvent.objects.filter(id=event.id).update(next_attempt_at=until)


def _try_later(event: StripeEvent, error: Exception, *, now: datetime) -> None:
    StripeEvent.objects.filter(id=event.id).update(
        attempts=F("attempts") + 1,
        error=f"{type(error).__name__}: {error}"[:2000],
        next_attempt_at=next_try(event.attempts, now),
    )


def _close(answered: list[int], state: StripeEvent.State, error: str, *, now: datetime) -> None:
    StripeEvent.objects.filter(id__in=answered, state=StripeEvent.State.RECEIVED).update(
        state=state, handled_at=now, error=error
    )


def due(now: datetime) -> list[int]:
    """Return the ids of the events that wait for a try, but for what is recorded together."""
    waiting = StripeEvent.objects.filter(state=StripeEvent.State.RECEIVED, next_attempt_at__lte=now)
    # Those that are to be processed by themselves have been put off.
    waiting = waiting.exclude(_RENEWAL, next_attempt_at=F("received_at"))
    return list(waiting.order_by("next_attempt_at").values_list("id", flat=True)[:500])


def _state(kind: str, version: str) -> StripeEvent.State:
    if kind not in HANDLED:
        return StripeEvent.State.IGNORED
    if version != gateway.API_VERSION:
        return StripeEvent.State.PARKED
    return StripeEvent.State.RECEIVED


def _waiting_with(event: StripeEvent) -> list[int]:
    """The events that one fetch answers: all that are here before it begins."""
    same = Q(id=event.id)
    if event.stripe_subscription_id:
        same |= Q(stripe_subscription_id=event.stripe_subscription_id)
    waiting = StripeEvent.objects.filter(same, state=StripeEvent.State.RECEIVED)
    return list(waiting.values_list("id", flat=True))


def _bring_up_to_date(event: StripeEvent, *, now: datetime) -> None:
    found = _object(event.payload)
    if event.stripe_subscription_id:
        subscriptions.sync(event.stripe_subscription_id, now=now)
    elif event.type in SESSION_EVENTS:
        checkout.settle_session(_named(found, "id"), now=now)
    elif event.type in DISPUTE_EVENTS and _named(found, "id"):
        disputes.sync(_named(found, "id"), now=now)
    elif event.type in REFUND_EVENTS and _named(found, "payment_intent"):
        repayments.sync(_named(found, "payment_intent"), now=now)


def _named(found: dict[str, Any], field: str) -> str:
    """An id in an object; empty for what is none: it goes into an address."""
    named = found.get(field)
    return named if isinstance(named, str) and ID.fullmatch(named) else ""


def _object(payload: dict[str, Any]) -> dict[str, Any]:
    data = payload.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _subscription_id(kind: str, payload: dict[str, Any]) -> str:
    """The subscription that the event is about; empty for an event about something else."""
    found = _object(payload)
    if kind in SUBSCRIPTION_EVENTS:
        return _named(found, "id")
    if kind in SESSION_EVENTS:
        return _named(found, "subscription")
    parent = found.get("parent")
    details = parent.get("subscription_details") if isinstance(parent, dict) else None
    return _named(details, "subscription") if isinstance(details, dict) else ""
