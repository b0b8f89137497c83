"""Puts an event that was parked back among those that wait, on the staff's word.

What an event means is not decided here: it is read as if it had come just now.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from billing import webhooks
from billing.models import DomainEvent, StripeEvent, Subscription


class NamesNothing(Exception):
    """The event does not say in our way what it is about: read, it would be lost."""


def read_again(*, event_id: int, reason: str, actor: Any, now: datetime) -> bool:
    """Let the next sweep handle a parked event. False if it is not parked. Raises NamesNothing."""
    with transaction.atomic(durable=True):
        event = StripeEvent.objects.select_for_update(no_key=True).get(pk=event_id)
        if event.state != StripeEvent.State.PARKED:
            return False
        about = webhooks.SUBSCRIPTION_EVENTS | webhooks.INVOICE_EVENTS
        if event.type in about and not event.stripe_subscription_id:
            raise NamesNothing(
                "This event names no subscription in the way that our API version does. Find the "
                "subscription at Stripe and send one of its events again from there."
            )
        event.state, event.handled_at = StripeEvent.State.RECEIVED, None
        event.attempts, event.next_attempt_at, event.error = 0, now, ""
        event.save()
        stripe_id = event.stripe_subscription_id
        mirror = Subscription.objects.filter(stripe_subscription_id=stripe_id or "none").first()
        DomainEvent.objects.create(
            kind="event_read_again",
            at=now,
            subject_id=mirror.subject_id if mirror else None,
            actor=actor,
            data={"event": event.stripe_event_id, "subscription": stripe_id, "reason": reason},
        )
    return True
