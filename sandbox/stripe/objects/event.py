"""The shapes of an event and of an endpoint that hears it."""

from typing import Any

from sandbox.stripe.store import Body, Transaction, new_id

API_VERSION = "2026-10-28.endive"


def event(tx: Transaction, kind: str, subject: Body, previous: Body | None) -> Body:
    """What happened to an object, with the object as it stands after it."""
    data = {"object": subject}
    if previous is not None:
        data["previous_attributes"] = previous
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": tx.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": tx.request_id, "idempotency_key": tx.idempotency_key},
        "type": kind,
    }


def webhook_endpoint(tx: Transaction, *, url: str, enabled_events: list[str], **given: Any) -> Body:
    """An address that hears events; its secret is shown only in the answer that creates it."""
    return {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": given.get("api_version"),
        "application": None,
        "created": tx.now,
        "description": given.get("description"),
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": given.get("metadata", {}),
        "status": "enabled",
        "url": url,
    }
