"""Calls about a customer as a whole: Stripe's pages for them, what they hold, their deletion."""

import uuid
from typing import Any

import stripe

from billing.gateway import client

# Marks the configuration of the portal that is ours, and its edition: a change is a new one.
_KEY = "portal-configuration:1"
_OURS = {"made_for": "premium-connectivity", "edition": "1"}


def portal_configuration() -> str:
    """Return the id of our configuration of the portal; it is made if it is not there yet."""
    with client.speaking():
        found = client.api().v1.billing_portal.configurations.list({"active": True, "limit": 100})
        for one in found.auto_paging_iter():
            if one.metadata and one.metadata.to_dict() == _OURS:
                return one.id
        features: Any = {
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True},
            "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            "subscription_pause": {"enabled": True},
        }
        made = client.api().v1.billing_portal.configurations.create(
            {"features": features, "metadata": _OURS}, {"idempotency_key": _KEY}
        )
        return made.id


def open_portal(
    customer: str, configuration: str, return_url: str, *, update_card: bool = False
) -> str:
    """Open Stripe's pages for a customer and return their address: a key of its own, not to log.

    With `update_card` they lead to the card alone, and back. It changes nothing: no key is needed.
    """
    terms: Any = {
        "customer": customer,
        "configuration": configuration,
        "return_url": return_url,
    }
    if update_card:
        done = {"type": "redirect", "redirect": {"return_url": return_url}}
        terms["flow_data"] = {"type": "payment_method_update", "after_completion": done}
    with client.speaking():
        opened = client.api().v1.billing_portal.sessions.create(
            terms, {"idempotency_key": f"portal:{uuid.uuid4()}"}
        )
        return opened.url


def subscriptions_of(customer: str) -> list[str]:
    """The ids of a customer's subscriptions that have not ended; none of one that is deleted."""
    with client.speaking():
        try:
            found = client.api().v1.subscriptions.list({"customer": customer, "limit": 100})
            return [one.id for one in found.auto_paging_iter()]
        except stripe.InvalidRequestError as error:
            if error.code != client.GONE:
                raise
            return []


def is_deleted(customer: str) -> bool:
    """Whether a customer is deleted, or never was."""
    with client.speaking():
        try:
            found = client.api().v1.customers.retrieve(customer)
        except stripe.InvalidRequestError as error:
            if error.code != client.GONE:
                raise
            return True
        return bool(getattr(found, "deleted", False))


def delete_customer(customer: str, *, key: str) -> None:
    """Delete a customer for good, with their cards; one that is deleted already is no error."""
    with client.speaking():
        try:
            client.api().v1.customers.delete(customer, None, {"idempotency_key": key})
        except stripe.InvalidRequestError as error:
            if error.code != client.GONE:
                raise
