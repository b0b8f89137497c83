"""Writes down what happened, in the transaction in which it happens, and who is to hear of it."""

from sandbox.stripe.objects.event import event
from sandbox.stripe.settings import setting
from sandbox.stripe.store import Body, Transaction


def emit(tx: Transaction, kind: str, subject: Body, previous: Body | None = None) -> None:
    """Record an event about `subject` as it now stands, and queue it for every endpoint."""
    made = event(tx, kind, subject, previous)
    made["api_version"] = setting(tx, "event_api_version")
    hearers = [
        endpoint["id"]
        for endpoint in tx.select("webhook_endpoint")
        if "*" in endpoint["enabled_events"] or kind in endpoint["enabled_events"]
    ]
    made["pending_webhooks"] = len(hearers)
    tx.insert(made, {"test_clock": tx.test_clock})
    tx.db.executemany(
        "INSERT INTO deliveries (event, endpoint, due_at) VALUES (?, ?, ?)",
        [(made["id"], hearer, tx.wall) for hearer in hearers],
    )


def emit_update(tx: Transaction, kind: str, subject: Body, previous: Body) -> None:
    """Record that some attributes changed; nothing happened if none did."""
    if previous:
        emit(tx, kind, subject, previous)
