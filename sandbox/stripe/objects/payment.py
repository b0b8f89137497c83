"""The shapes of what a payment leaves: payment method, intents, charge, refund."""

from typing import Any

from sandbox.stripe.cards import Card, Decline
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


# What a new object of each kind starts with. Effects replace these fields, never what is in them.
_PAYMENT_INTENT: Body = {
    "object": "payment_intent",
    "allowed_payment_method_types": None,
    "amount_capturable": 0,
    "amount_details": {"tip": {}},
    "amount_received": 0,
    "application": None,
    "application_fee_amount": None,
    "automatic_payment_methods": None,
    "canceled_at": None,
    "cancellation_reason": None,
    "capture_method": "automatic",
    "confirmation_method": "automatic",
    "customer_account": None,
    "excluded_payment_method_types": None,
    "last_payment_error": None,
    "latest_charge": None,
    "livemode": False,
    "managed_payments": {"enabled": False},
    "metadata": {},
    "next_action": None,
    "on_behalf_of": None,
    "payment_method": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {
        "card": {
            "installments": None,
            "mandate_options": None,
            "network": None,
            "request_three_d_secure": "automatic",
        }
    },
    "payment_method_types": ["card"],
    "payment_record": None,
    "processing": None,
    "receipt_email": None,
    "review": None,
    "setup_future_usage": "off_session",
    "shipping": None,
    "source": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "status": "requires_payment_method",
    "transfer_data": None,
    "transfer_group": None,
}


def payment_intent(
    tx: Transaction, *, amount: int, currency: str, customer: str | None, description: str
) -> Body:
    """An intent to collect an amount, before any attempt."""
    intent_id = new_id("pi")
    return {
        "id": intent_id,
        **_PAYMENT_INTENT,
        "amount": amount,
        "client_secret": f"{intent_id}_secret_{new_id('x')[3:]}",
        "created": tx.now,
        "currency": currency,
        "customer": customer,
        "description": description,
    }


_SETUP_INTENT: Body = {
    "object": "setup_intent",
    "allowed_payment_method_types": None,
    "application": None,
    "automatic_payment_methods": None,
    "cancellation_reason": None,
    "customer_account": None,
    "description": None,
    "excluded_payment_method_types": None,
    "flow_directions": None,
    "last_setup_error": None,
    "latest_attempt": None,
    "livemode": False,
    "mandate": None,
    "metadata": {},
    "next_action": None,
    "on_behalf_of": None,
    "payment_method_configuration_details": None,
    "payment_method_options": {
        "card": {
            "mandate_options": None,
            "network": None,
            "request_three_d_secure": "automatic",
        }
    },
    "payment_method_types": ["card"],
    "single_use_mandate": None,
    "status": "succeeded",
    "usage": "off_session",
}


def setup_intent(tx: Transaction, *, customer: str | None, method: str) -> Body:
    """The proof that a card was set up for later charges, as a trial needs it."""
    intent_id = new_id("seti")
    return {
        "id": intent_id,
        **_SETUP_INTENT,
        "client_secret": f"{intent_id}_secret_{new_id('x')[3:]}",
        "created": tx.now,
        "customer": customer,
        "payment_method": method,
    }


_CHARGE: Body = {
    "object": "charge",
    "amount_refunded": 0,
    "application": None,
    "application_fee": None,
    "application_fee_amount": None,
    "calculated_statement_descriptor": "SANDBOX",
    "disputed": False,
    "failure_balance_transaction": None,
    "fraud_details": {},
    "livemode": False,
    "metadata": {},
    "on_behalf_of": None,
    "receipt_email": None,
    "receipt_number": None,
    "receipt_url": None,
    "refunded": False,
    "review": None,
    "shipping": None,
    "source": None,
    "source_transfer": None,
    "statement_descriptor": None,
    "statement_descriptor_suffix": None,
    "transfer_data": None,
    "transfer_group": None,
}


def charge(tx: Transaction, intent: Body, method: Body, decline: Decline | None) -> Body:
    """One attempt on a card, which went through or was declined."""
    charge_id = new_id("ch")
    paid = decline is None
    return {
        "id": charge_id,
        **_CHARGE,
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if paid else 0,
        "balance_transaction": new_id("txn") if paid else None,
        "billing_details": method["billing_details"],
        "captured": paid,
        "created": tx.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "failure_code": decline and decline.code,
        "failure_message": decline and decline.message,
        "outcome": _outcome(decline),
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {"card": _card_details(method["card"]), "type": "card"},
        "status": "succeeded" if paid else "failed",
    }


def refund(tx: Transaction, charge: Body, *, amount: int, given: dict[str, Any]) -> Body:
    """Money that went back to the card."""
    return {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": new_id("txn"),
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": given.get("metadata", {}),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": given.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def payment_error(decline: Decline, charge: Body, method: Body) -> Body:
    """Why the last attempt failed, as the payment intent tells it."""
    error = {
        "charge": charge["id"],
        "code": decline.code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": method,
        "type": "card_error",
    }
    return error | ({"decline_code": decline.decline_code} if decline.decline_code else {})


def _billing_details(name: str | None, email: str | None) -> Body:
    return {"address": _NO_ADDRESS, "email": email, "name": name, "phone": None, "tax_id": None}


def _outcome(decline: Decline | None) -> Body:
    return {
        "advice_code": decline and ("try_again_later" if decline.passing else "do_not_try_again"),
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": decline and (decline.decline_code or decline.code),
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": (
            "The bank did not return any further details with this decline."
            if decline
            else "Payment complete."
        ),
        "type": "issuer_declined" if decline else "authorized",
    }


def _card_details(card: Body) -> Body:
    shown = ("brand", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {name: card[name] for name in shown} | {
        "amount_authorized": None,
        "authorization_code": None,
        "checks": card["checks"],
        "electronic_commerce_indicator": None,
        "installments": None,
        "mandate": None,
        "network": card["brand"],
        "network_transaction_id": None,
        "regulated_status": card["regulated_status"],
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }
