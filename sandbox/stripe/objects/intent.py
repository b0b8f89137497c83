"""The shapes of intents: to collect an amount, or to set a card up for later."""

from sandbox.stripe.store import Body, Transaction, new_id

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
