"""Stripe's webhooks: received once, handled once.

An event is a hint that something has changed: what has, is fetched. It is done only when a fetch
that began after its receipt is recorded, so lost order, repeats and delays change nothing.
"""

import re
from datetime import datetime
from typing import Any

from django.db.models import F

from billing import checkout, gateway, subscriptions
from billing.backoff import next_try
from billing.models import StripeEvent

ID = re.compile(r"[a-z]+_[A-Za-z0-9_]{1,200}")  # Stripe's form; it goes into addresses
SUBSCRIPTION_EVENTS = {
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
}
INVOICE_EVENTS = {
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.voided",
    "invoice.marked_uncollectible",
}
SESSION_EVENTS = {"checkout.session.completed", "checkout.session.expired"}
HANDLED = SUBSCRIPTION_EVENTS | INVOICE_EVENTS | SESSION_EVENTS


def receive(body: bytes, signature: str, *, now: datetime, wall: int) -> StripeEvent:
    """Store an event that Stripe has signed, once, and return its row.

    One that we do not handle is kept as ignored, one in another API version as parked. Raises
    gateway.SignatureInvalid, and ValueError for a signed body that is no event.
    """
    payload = gateway.verified_event(body, signature, wall=wall)
    kind = str(payload.get("type", ""))
    version = str(payload.get("api_version") or "")
    event, _ = StripeEvent.objects.get_or_create(
        stripe_event_id=payload["id"],
        defaults={
            "type": kind[:128],
            "api_version": version[:64],
            "state": _state(kind, version),
            "stripe_subscription_id": _subscription_id(kind, payload),
            "payload": payload,
            "received_at": now,
            "next_attempt_at": now,
        },
    )
    return event


def process(event_id: int, *, now: datetime) -> None:
    """Bring up to date what the event is about, and mark all events that this has answered.

    Raises gateway.StripeAway, or what else went wrong; the event then waits for its next try.
    """
    event = StripeEvent.objects.get(id=event_id)
    if event.state != StripeEvent.State.RECEIVED:
        return
    answered = _waiting_with(event)
    try:
        _bring_up_to_date(event, now=now)
    except Exception as error:
        if not isinstance(error, gateway.StripeRefused):
            _try_later(event, error, now=now)
            raise
        # A refusal is final: what was deleted is of no interest, the rest is for people to look at.
        gone = error.code == gateway.GONE
        state = StripeEvent.State.IGNORED if gone else StripeEvent.State.PARKED
        _close(answered, state, str(error), now=now)
    else:
        _close(answered, StripeEvent.State.HANDLED, "", now=now)


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
    """Return the ids of the events that wait for a try."""
    waiting = StripeEvent.objects.filter(state=StripeEvent.State.RECEIVED, next_attempt_at__lte=now)
    return list(waiting.order_by("next_attempt_at").values_list("id", flat=True)[:500])


def _state(kind: str, version: str) -> StripeEvent.State:
    if kind not in HANDLED:
        return StripeEvent.State.IGNORED
    if version != gateway.API_VERSION:
        return StripeEvent.State.PARKED
    return StripeEvent.State.RECEIVED


def _waiting_with(event: StripeEvent) -> list[int]:
    """The events that one fetch answers: all that are here before it begins."""
    if not event.stripe_subscription_id:
        return [event.id]
    same = StripeEvent.objects.filter(
        stripe_subscription_id=event.stripe_subscription_id, state=StripeEvent.State.RECEIVED
    )
    return list(same.values_list("id", flat=True))


def _bring_up_to_date(event: StripeEvent, *, now: datetime) -> None:
    if event.stripe_subscription_id:
        subscriptions.sync(event.stripe_subscription_id, now=now)
    elif event.type in SESSION_EVENTS:
        checkout.settle_session(_object(event.payload).get("id", ""), now=now)


def _object(payload: dict[str, Any]) -> dict[str, Any]:
    data = payload.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    return found if isinstance(found, dict) else {}


def _subscription_id(kind: str, payload: dict[str, Any]) -> str:
    """The subscription that the event is about; empty for an event about something else."""
    found = _object(payload)
    if kind in SUBSCRIPTION_EVENTS:
        named = found.get("id")
    elif kind in SESSION_EVENTS:
        named = found.get("subscription")
    else:
        parent = found.get("parent") or {}
        details = parent.get("subscription_details") if isinstance(parent, dict) else None
        named = details.get("subscription") if isinstance(details, dict) else None
    return named if isinstance(named, str) and ID.fullmatch(named) else ""
