"""The shapes of products and prices."""

from typing import Any

from sandbox.stripe.store import Body, Transaction, new_id


def product(tx: Transaction, *, name: str, **given: Any) -> Body:
    """A product as POST /v1/products makes it."""
    return {
        "id": given.get("id") or new_id("prod"),
        "object": "product",
        "active": given.get("active", True),
        "created": tx.now,
        "default_price": None,
        "description": given.get("description"),
        "images": [],
        "livemode": False,
        "marketing_features": given.get("marketing_features", []),
        "metadata": given.get("metadata", {}),
        "name": name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": given.get("statement_descriptor"),
        "tax_code": given.get("tax_code"),
        "tax_details": None,
        "type": "service",
        "unit_label": given.get("unit_label"),
        "updated": tx.now,
        "url": given.get("url"),
    }


def price(tx: Transaction, *, product_id: str, currency: str, amount: int, **given: Any) -> Body:
    """A price of `amount` of the currency's smallest units, recurring or once."""
    recurring = given.get("recurring")
    return {
        "id": new_id("price"),
        "object": "price",
        "active": given.get("active", True),
        "billing_scheme": "per_unit",
        "created": tx.now,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": given.get("lookup_key"),
        "metadata": given.get("metadata", {}),
        "nickname": given.get("nickname"),
        "product": product_id,
        "recurring": recurring
        and {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": given.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
