"""What should have moved by itself: calls without an answer, events that wait or are parked."""

from datetime import datetime, timedelta
from typing import Any

from billing import gateway, intents, webhooks
from billing.models import Intent, StripeEvent
from billing.reconcile.finding import Found, Repair
from billing.reconcile.pace import Pace

PATIENCE = timedelta(hours=1)
AT_ONCE = 100
Result = tuple[list[Found], str, int]


def calls(cursor: str, pace: Pace) -> Result:
    """The intents that nobody could make good for an hour."""
    waiting = Intent.objects.filter(answered_at=None, created_at__lt=pace.now() - PATIENCE)
    batch, more = _after(cursor, waiting)
    found = [
        Found("intent_unanswered", one.idempotency_key, f"{one.kind}: {one.error}", _retry(one))
        for one in batch
    ]
    return found, more, len(batch)


def events(cursor: str, pace: Pace) -> Result:
    """The events that wait for an hour, or are parked."""
    states = [StripeEvent.State.RECEIVED, StripeEvent.State.PARKED]
    old = StripeEvent.objects.filter(state__in=states, received_at__lt=pace.now() - PATIENCE)
    batch, more = _after(cursor, old.defer("payload"))
    return [_event(one) for one in batch], more, len(batch)


def _after(cursor: str, rows: Any) -> tuple[list[Any], str]:
    batch = list(rows.filter(pk__gt=int(cursor or 0)).order_by("pk")[:AT_ONCE])
    return batch, str(batch[-1].pk) if len(batch) == AT_ONCE else ""


def _event(one: StripeEvent) -> Found:
    if one.state == StripeEvent.State.PARKED:
        why = one.error or f"in API version {one.api_version or 'unknown'}"
        return Found("event_parked", one.stripe_event_id, f"{one.type}: {why}")
    detail = f"{one.type}: {one.error}"
    return Found("event_waiting", one.stripe_event_id, detail, _process(one.pk))


def _retry(intent: Intent) -> Repair:
    def repair(now: datetime) -> bool:
        try:
            intents.retry(intent, now=now)
        except gateway.StripeRefused:
            return True  # A refusal is an answer, and what follows from it is recorded.
        return Intent.objects.filter(pk=intent.pk, answered_at__isnull=False).exists()

    return repair


def _process(event_id: int) -> Repair:
    def repair(now: datetime) -> bool:
        webhooks.process(event_id, now=now)
        state = StripeEvent.objects.values_list("state", flat=True).get(pk=event_id)
        return state in (StripeEvent.State.HANDLED, StripeEvent.State.IGNORED)

    return repair
