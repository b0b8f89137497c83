"""The shape of a Checkout Session and of what it sells."""

from typing import Any

from sandbox.stripe.store import Body, Transaction, new_id

# What a new object of each kind starts with. Effects replace these fields, never what is in them.
_SESSION: Body = {
    "object": "checkout.session",
    "adaptive_pricing": None,
    "after_expiration": None,
    "allowed_payment_method_types": None,
    "client_secret": None,
    "collected_information": None,
    "consent": None,
    "consent_collection": None,
    "currency_conversion": None,
    "custom_fields": [],
    "customer_account": None,
    "discounts": [],
    "integration_identifier": None,
    "invoice": None,
    "invoice_creation": None,
    "livemode": False,
    "managed_payments": {"enabled": False},
    "mode": "subscription",
    "payment_intent": None,
    "payment_link": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
    "payment_method_types": ["card"],
    "payment_status": "unpaid",
    "permissions": None,
    "phone_number_collection": {"enabled": False},
    "recovered_from": None,
    "saved_payment_method_options": {
        "allow_redisplay_filters": ["always"],
        "payment_method_remove": "disabled",
        "payment_method_save": None,
    },
    "setup_intent": None,
    "shipping_address_collection": None,
    "shipping_cost": None,
    "shipping_options": [],
    "status": "open",
    "subscription": None,
    "ui_mode": "hosted_page",
    "wallet_options": None,
}


def session(
    tx: Transaction, *, items: list[Body], customer: Body | None, given: dict[str, Any]
) -> Body:
    """A Checkout Session that waits for its buyer; `given` holds the request's own parameters."""
    session_id = new_id("cs_test")
    email = given.get("customer_email")
    return {
        "id": session_id,
        **_SESSION,
        "allow_promotion_codes": given.get("allow_promotion_codes"),
        **sums(items),
        "automatic_tax": _automatic_tax(given),
        "billing_address_collection": given.get("billing_address_collection"),
        "cancel_url": given.get("cancel_url"),
        "client_reference_id": given.get("client_reference_id"),
        "created": tx.now,
        "currency": items[0]["currency"],
        "custom_text": _custom_text(given.get("custom_text", {})),
        "customer": customer and customer["id"],
        "customer_creation": None if customer else "always",
        "customer_details": customer_details(customer, email) if customer or email else None,
        "customer_email": email,
        "expires_at": given.get("expires_at", tx.now + 24 * 3600),
        "locale": given.get("locale"),
        "metadata": given.get("metadata", {}),
        "origin_context": given.get("origin_context"),
        "payment_method_collection": given.get("payment_method_collection", "always"),
        "submit_type": given.get("submit_type"),
        "success_url": given.get("success_url"),
        "url": f"{tx.public_url}/c/pay/{session_id}",
    }


def sums(items: list[Body]) -> Body:
    """What the session asks for, as its items say."""
    return {
        "amount_subtotal": sum(item["amount_subtotal"] for item in items),
        "amount_total": sum(item["amount_total"] for item in items),
        "total_details": {
            "amount_discount": sum(item["amount_discount"] for item in items),
            "amount_shipping": 0,
            "amount_tax": sum(item["amount_tax"] for item in items),
        },
    }


def customer_details(
    customer: Body | None, email: str | None, name: str | None = None
) -> dict[str, Any]:
    """Who buys, as far as the session knows."""
    known = customer or {}
    return {
        "address": known.get("address"),
        "business_name": None,
        "email": known.get("email") or email,
        "individual_name": None,
        "name": name or known.get("name"),
        "phone": known.get("phone"),
        "tax_exempt": known.get("tax_exempt", "none"),
        "tax_ids": None if customer is None else [],
    }


def item(price: Body, *, description: str, quantity: int, total: int) -> Body:
    """One line of what a session sells; `total` is what is due for it today."""
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": description,
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }


def _automatic_tax(given: dict[str, Any]) -> dict[str, Any]:
    enabled = given.get("automatic_tax", {}).get("enabled", False)
    return {
        "enabled": enabled,
        "liability": {"type": "self"} if enabled else None,
        "provider": "stripe" if enabled else None,
        "status": "complete" if enabled else None,
    }


def _custom_text(given: dict[str, Any]) -> dict[str, Any]:
    places = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
    return {place: given.get(place) for place in places}
