"""The shape of a customer."""

import secrets
from typing import Any

from sandbox.stripe.store import Body, Transaction, new_id

_PREFIX_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def customer(tx: Transaction, **given: Any) -> Body:
    """A customer as POST /v1/customers makes it, or Checkout for a buyer it does not know."""
    return {
        "id": new_id("cus"),
        "object": "customer",
        "address": given.get("address"),
        "balance": 0,
        "created": tx.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": given.get("description"),
        "discount": None,
        "email": given.get("email"),
        "invoice_prefix": "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(8)),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": given.get("metadata", {}),
        "name": given.get("name"),
        "next_invoice_sequence": 1,
        "phone": given.get("phone"),
        "preferred_locales": given.get("preferred_locales", []),
        "shipping": None,
        "tax_exempt": given.get("tax_exempt", "none"),
        "test_clock": None,
    }
