"""Asks Stripe what became of a call whose answer nobody heard; it changes nothing there.

See Note [Looked up, not guessed] in billing.intents.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.gateway import client, values
from billing.gateway.values import Session

ENDED = ("canceled", "incomplete_expired")


@dataclass(frozen=True, slots=True)
class Course:
    """How a subscription goes on: whether it has ended, and whether an end is scheduled."""

    ended: bool
    ends: bool


def customers_of(email: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The id and the metadata of each customer with this address."""
    with client.speaking():
        found = client.api().v1.customers.list({"email": email, "limit": 100})
        for customer in found.auto_paging_iter():
            yield customer.id, customer.metadata.to_dict() if customer.metadata else {}


def email_of(customer: str) -> str:
    """The address to which Stripe writes; empty for a customer that was deleted."""
    with client.speaking():
        found = client.api().v1.customers.retrieve(customer)
        return getattr(found, "email", None) or ""


def session_by_reference(customer: str, reference: str, *, since: datetime) -> Session | None:
    """The Checkout Session of a customer that bears our reference."""
    which: Any = {"customer": customer, "created": {"gte": int(since.timestamp())}, "limit": 100}
    with client.speaking():
        for found in client.api().v1.checkout.sessions.list(which).auto_paging_iter():
            if found.client_reference_id == reference:
                return values.session(found)
    return None


def course(subscription_id: str) -> Course:
    """How a subscription goes on."""
    with client.speaking():
        found = client.api().v1.subscriptions.retrieve(subscription_id)
        return Course(
            ended=found.status in ENDED,
            ends=bool(found.cancel_at or found.cancel_at_period_end),
        )
