"""Answers a repeated request with the first one's answer; a key never changes its meaning."""

import dataclasses
import json

from sandbox.stripe.errors import StripeError
from sandbox.stripe.store import Body, Store, Transaction

# Stripe keeps a key for at least a day; who repeats a request later makes a new one.
_KEPT_SECONDS = 86400


@dataclasses.dataclass(frozen=True)
class Answer:
    """An API answer: what came out, and of which request it is the answer."""

    status: int
    body: Body
    request_id: str
    replayed: bool = False


def reserve(store: Store, key: str, fingerprint: str) -> Answer | None:
    """The stored answer to this key, or None after taking the key for the request at hand.

    Raises Stripe's idempotency errors: the key in use right now, or used for something else.
    """
    with store.writing() as tx:
        tx.db.execute(
            "DELETE FROM idempotency WHERE status IS NOT NULL AND made_at <= ?",
            (tx.now - _KEPT_SECONDS,),
        )
        row = tx.db.execute(
            "SELECT fingerprint, status, body, request_id FROM idempotency WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            tx.db.execute(
                "INSERT INTO idempotency (key, fingerprint, made_at) VALUES (?, ?, ?)",
                (key, fingerprint, tx.now),
            )
            return None
    if row[0] != fingerprint:
        raise StripeError(
            "Keys for idempotent requests can only be used with the same parameters they were "
            f"first used with. Try using a key other than '{key}' if you meant to execute a "
            "different request.",
            kind="idempotency_error",
        )
    if row[1] is None:
        raise StripeError(
            "There is currently another in-progress request using this Idempotent Key (that "
            "probably means you submitted twice, and the other request is still going through): "
            f"{key}. Please try again later.",
            status=409,
            kind="idempotency_error",
            code="idempotency_key_in_use",
        )
    return Answer(row[1], json.loads(row[2]), row[3], replayed=True)


def keep(tx: Transaction, key: str, answer: Answer) -> None:
    """Store the answer, in the transaction of its effects."""
    tx.db.execute(
        "UPDATE idempotency SET status = ?, body = ?, request_id = ? WHERE key = ?",
        (answer.status, json.dumps(answer.body), answer.request_id, key),
    )


def release(store: Store, key: str) -> None:
    """Free a key whose request was refused before it did anything, as Stripe does."""
    with store.writing() as tx:
        tx.db.execute("DELETE FROM idempotency WHERE key = ? AND status IS NULL", (key,))
