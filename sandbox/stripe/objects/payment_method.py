"""The shape of a card that somebody pays with: as much of it as may be shown."""

from sandbox.stripe.cards import Card
from sandbox.stripe.store import Body, Transaction, new_id

_NO_ADDRESS = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def payment_method(tx: Transaction, card: Card, *, name: str | None, email: str | None) -> Body:
    """A card that a buyer typed in: its brand, last four digits and expiry, and no more of it."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": _billing_details(name, email),
        "card": {
            "brand": card.brand,
            "checks": _CHECKS,
            "country": "US",
            "display_brand": card.brand,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "fingerprint": card.fingerprint,
            "funding": card.funding,
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": tx.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


_CHECKS = {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}


def _billing_details(name: str | None, email: str | None) -> Body:
    return {"address": _NO_ADDRESS, "email": email, "name": name, "phone": None, "tax_id": None}
