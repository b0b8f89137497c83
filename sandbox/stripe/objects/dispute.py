"""The shape of a dispute: a cardholder who wants a charge back from the bank."""

from sandbox.stripe.store import Body, Transaction, new_id

FEE = 1500

_EVIDENCE = (
    "access_activity_log",
    "appeal",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def dispute(tx: Transaction, charge: Body, *, amount: int, reason: str, inquiry: bool) -> Body:
    """A dispute as a bank opens it; an inquiry asks first and takes nothing yet."""
    card = charge["payment_method_details"]["card"]
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": tx.now + 9 * 86400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "network_reason_code": "10.4",
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": card["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": card["brand"],
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def movement(tx: Transaction, dispute: Body, *, back: bool) -> Body:
    """The money and the fee that a dispute takes from the balance, or gives back to it."""
    sign = 1 if back else -1
    fee = -FEE if back else FEE
    return {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": sign * dispute["amount"],
        "available_on": tx.now,
        "balance_type": "payments",
        "created": tx.now,
        "currency": dispute["currency"],
        "description": f"Chargeback {'reversal' if back else 'withdrawal'} for {dispute['charge']}",
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [
            {
                "amount": fee,
                "application": None,
                "currency": dispute["currency"],
                "description": "Dispute fee",
                "type": "stripe_fee",
            }
        ],
        "net": sign * dispute["amount"] - fee,
        "reporting_category": "dispute_reversal" if back else "dispute",
        "source": dispute["id"],
        "status": "available",
        "type": "adjustment",
    }
