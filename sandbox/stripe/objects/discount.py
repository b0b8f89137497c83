"""The shapes of coupons, of the codes that people type in, and of what somebody was granted."""

import secrets
import string
from typing import Any

from sandbox.stripe.store import Body, Transaction, new_id


def readable(length: int = 8) -> str:
    """A fresh name that a person could read out."""
    return "".join(
        secrets.choice(string.ascii_uppercase + string.digits[2:]) for _ in range(length)
    )


def coupon(tx: Transaction, given: dict[str, Any]) -> Body:
    """A coupon as POST /v1/coupons makes it."""
    made = {
        "id": given.get("id") or readable(),
        "object": "coupon",
        "amount_off": given.get("amount_off"),
        "created": tx.now,
        "currency": given.get("currency"),
        "duration": given.get("duration", "once"),
        "duration_in_months": given.get("duration_in_months"),
        "livemode": False,
        "max_redemptions": given.get("max_redemptions"),
        "metadata": given.get("metadata", {}),
        "name": given.get("name"),
        "percent_off": given.get("percent_off"),
        "redeem_by": given.get("redeem_by"),
        "times_redeemed": 0,
        "valid": True,
    }
    return made | ({"applies_to": given["applies_to"]} if "applies_to" in given else {})


def promotion_code(tx: Transaction, given: dict[str, Any], coupon_id: str) -> Body:
    """A code that a buyer may type in for a coupon."""
    restrictions = given.get("restrictions", {})
    return {
        "id": new_id("promo"),
        "object": "promotion_code",
        "active": given.get("active", True),
        "code": given.get("code") or readable(),
        "created": tx.now,
        "customer": given.get("customer"),
        "customer_account": None,
        "expires_at": given.get("expires_at"),
        "livemode": False,
        "max_redemptions": given.get("max_redemptions"),
        "metadata": given.get("metadata", {}),
        "promotion": {"coupon": coupon_id, "type": "coupon"},
        "restrictions": {
            "first_time_transaction": restrictions.get("first_time_transaction", False),
            "minimum_amount": restrictions.get("minimum_amount"),
            "minimum_amount_currency": restrictions.get("minimum_amount_currency"),
        },
        "times_redeemed": 0,
    }


def discount(
    tx: Transaction,
    *,
    coupon_id: str,
    promotion: str | None,
    customer: str,
    subscription: str,
    session: str | None,
    end: int | None,
) -> Body:
    """A coupon that a subscription has, from now until `end`."""
    return {
        "id": new_id("di"),
        "object": "discount",
        "checkout_session": session,
        "customer": customer,
        "customer_account": None,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": promotion,
        "source": {"coupon": coupon_id, "type": "coupon"},
        "start": tx.now,
        "subscription": subscription,
        "subscription_item": None,
    }
