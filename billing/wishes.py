"""Writes down the calls to Stripe that are to be made; billing.intents makes them.

Apart from them, so that whoever ends something can say so without ever calling Stripe.
"""

from datetime import datetime
from typing import Any

from billing.models import Checkout, Intent


def record(
    kind: Intent.Kind, key: str, request: dict[str, Any], *, now: datetime
) -> tuple[Intent, bool]:
    """Write down a call; the same key is the same intent. The bool says whether it is new."""
    return Intent.objects.get_or_create(
        idempotency_key=key,
        defaults={"kind": kind, "request": request, "created_at": now, "next_attempt_at": now},
    )


def expire(checkout: Checkout, *, now: datetime) -> Intent:
    """Have a payment page closed at Stripe."""
    request = {"checkout": str(checkout.id), "session": checkout.stripe_session_id}
    return record(Intent.Kind.EXPIRE_CHECKOUT, f"expire:{checkout.id}", request, now=now)[0]
