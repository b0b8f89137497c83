"""Calls about what is for sale, who buys, and the pages on which they pay."""

from typing import Any

from django.conf import settings

from billing.gateway import client, values
from billing.gateway.values import Price, Session


def prices(lookup_keys: list[str]) -> list[Price]:
    """Return the active prices with these lookup keys."""
    with client.speaking():
        found = client.api().v1.prices.list(
            {"lookup_keys": lookup_keys, "active": True, "limit": 100}
        )
        return [values.price(price) for price in found.data]


def create_product(plan: str, name: str, *, key: str) -> str:
    """Create the product of a plan and return its id."""
    with client.speaking():
        product = client.api().v1.products.create(
            {"name": name, "metadata": {"plan": plan}}, {"idempotency_key": key}
        )
        return product.id


def create_price(
    product: str,
    lookup_key: str,
    currency: str,
    unit_amount: int,
    interval: str,
    *,
    tax_included: bool,
    key: str,
) -> Price:
    """Create a recurring price for a product."""
    with client.speaking():
        price = client.api().v1.prices.create(
            {
                "product": product,
                "lookup_key": lookup_key,
                "transfer_lookup_key": True,
                "currency": currency,
                "unit_amount": unit_amount,
                "recurring": {"interval": interval},
                "tax_behavior": "inclusive" if tax_included else "exclusive",
            },
            {"idempotency_key": key},
        )
        return values.price(price)


def create_customer(email: str, metadata: dict[str, str], *, key: str) -> str:
    """Create a customer and return its id; the metadata says who it is to us."""
    with client.speaking():
        customer = client.api().v1.customers.create(
            {"email": email, "metadata": metadata}, {"idempotency_key": key}
        )
        return customer.id


def update_customer_email(customer: str, email: str, *, key: str) -> None:
    """Let Stripe write to another address from now on."""
    with client.speaking():
        client.api().v1.customers.update(customer, {"email": email}, {"idempotency_key": key})


def open_checkout(
    *,
    customer: str,
    price: str,
    reference: str,
    success_url: str,
    cancel_url: str,
    expires_at: int,
    trial_end: int | None,
    key: str,
) -> Session:
    """Open a hosted payment page for one subscription; `reference` is ours, returned in events.

    With `trial_end` (Unix seconds, at least 48 hours ahead) the first charge is made then.
    """
    terms: Any = {"metadata": {"checkout": reference}}
    if trial_end is not None:
        terms["trial_end"] = trial_end
    # Tax follows from where the buyer lives, which Stripe's page asks for then.
    taxed: Any = {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto"}}
    with client.speaking():
        session = client.api().v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "allow_promotion_codes": True,
                "customer": customer,
                "line_items": [{"price": price, "quantity": 1}],
                "client_reference_id": reference,
                "metadata": {"checkout": reference},
                "subscription_data": terms,
                "success_url": success_url,
                "cancel_url": cancel_url,
                "expires_at": expires_at,
                **(taxed if settings.STRIPE_AUTOMATIC_TAX else {}),
            },
            {"idempotency_key": key},
        )
        return values.session(session)


def session(session_id: str) -> Session:
    """Return a Checkout Session as it is now."""
    with client.speaking():
        return values.session(client.api().v1.checkout.sessions.retrieve(session_id))


def session_of_subscription(subscription_id: str) -> Session | None:
    """Return the Checkout Session that made a subscription; None if none did."""
    with client.speaking():
        found = client.api().v1.checkout.sessions.list(
            {"subscription": subscription_id, "limit": 1}
        )
        return values.session(found.data[0]) if found.data else None


def expire_checkout(session_id: str, *, key: str) -> None:
    """Close a payment page; one that is closed already is no error. A paid one is refused."""
    with client.speaking():
        client.api().v1.checkout.sessions.expire(session_id, {}, {"idempotency_key": key})
