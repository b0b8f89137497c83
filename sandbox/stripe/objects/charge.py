"""The shapes of an attempt on a card, of why it failed, and of what went back."""

from typing import Any

from sandbox.stripe.cards import Decline
from sandbox.stripe.store import Body, Transaction, new_id

# What a new charge starts with. Effects replace these fields, never what is in them.
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


def payment_error(decline: Decline, charge: Body | None, method: Body) -> Body:
    """Why the last attempt failed, as the payment intent tells it."""
    error = {
        **({"charge": charge["id"]} if charge else {}),
        "code": decline.code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": method,
        "type": "card_error",
    }
    return error | ({"decline_code": decline.decline_code} if decline.decline_code else {})


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
