"""Parameters that several operations on subscriptions share, and how they are read."""

from typing import Any

from sandbox.stripe.errors import StripeError
from sandbox.stripe.params import (
    boolean,
    choice,
    either,
    hash_of,
    integer,
    list_of,
    metadata,
    text,
)
from sandbox.stripe.store import Body, Transaction

PAYMENT_BEHAVIORS = (
    "allow_incomplete",
    "default_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
)

DISCOUNT = hash_of({"coupon": text(), "discount": text(), "promotion_code": text()})

_ITEM = hash_of(
    {
        "deleted": boolean,
        "id": text(),
        "metadata": metadata,
        "price": text(),
        "quantity": integer(1, 999_999),
    }
)

PRORATION_BEHAVIOR = choice("always_invoice", "create_prorations", "none")

# What a change and its preview are told in the same words.
CHANGES = {
    "billing_cycle_anchor": hash_of({"type": choice("now", "unchanged")}, ("type",)),
    "items": list_of(_ITEM, 20),
    "proration_behavior": PRORATION_BEHAVIOR,
    "proration_date": integer(),
    "trial_end": either("now", otherwise=integer()),
}

TRIAL_SETTINGS = hash_of(
    {
        "end_behavior": hash_of(
            {
                "billing_cycle_anchor": choice("now", "unchanged"),
                "missing_payment_method": choice("cancel", "create_invoice", "pause"),
            },
            ("missing_payment_method",),
        )
    },
    ("end_behavior",),
)


def trial_settings(given: dict[str, Any]) -> Body:
    """What a subscription shows of how its trial is to end."""
    return {
        "end_behavior": {"billing_cycle_anchor": None, **given["trial_settings"]["end_behavior"]}
    }


def own_method(tx: Transaction, method_id: str, customer_id: str, *, param: str) -> str:
    """A card of this customer's; raises StripeError for any other."""
    method = tx.get("payment_method", method_id, param=param)
    if method["customer"] != customer_id:
        raise StripeError(
            "The customer does not have a payment method with the ID " + method_id,
            code="resource_missing",
            param=param,
        )
    return method_id
