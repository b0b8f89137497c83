"""The shape of a subscription and its items."""

from typing import Any

from sandbox.stripe.store import Body, Transaction, new_id

# What a new object of each kind starts with. Effects replace these fields, never what is in them.
_SUBSCRIPTION: Body = {
    "object": "subscription",
    "application": None,
    "application_fee_percent": None,
    "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
    "billing_cycle_anchor_config": None,
    "billing_schedules": [],
    "billing_thresholds": None,
    "cancel_at": None,
    "cancel_at_period_end": False,
    "canceled_at": None,
    "cancellation_details": {
        "comment": None,
        "feedback": None,
        "feedback_option": None,
        "reason": None,
    },
    "collection_method": "charge_automatically",
    "customer_account": None,
    "days_until_due": None,
    "default_source": None,
    "default_tax_rates": [],
    "discounts": [],
    "ended_at": None,
    "invoice_settings": {
        "account_tax_ids": None,
        "custom_fields": None,
        "description": None,
        "footer": None,
        "issuer": {"type": "self"},
    },
    "latest_invoice": None,
    "livemode": False,
    "managed_payments": {"enabled": False},
    "next_pending_invoice_item_invoice": None,
    "on_behalf_of": None,
    "pause_collection": None,
    "payment_settings": {
        "payment_method_options": None,
        "payment_method_types": None,
        "save_default_payment_method": "off",
    },
    "pending_invoice_item_interval": None,
    "pending_setup_intent": None,
    "pending_update": None,
    "schedule": None,
    "test_clock": None,
    "transfer_data": None,
    "trial_settings": {
        "end_behavior": {
            "billing_cycle_anchor": None,
            "missing_payment_method": "create_invoice",
        }
    },
}


def subscription(
    tx: Transaction, *, customer: str, currency: str, method: str, trial_end: int | None, data: Body
) -> Body:
    """A subscription that begins now; `data` is the session's subscription_data."""
    subscription_id = new_id("sub")
    return {
        "id": subscription_id,
        **_SUBSCRIPTION,
        "billing_cycle_anchor": trial_end or tx.now,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": tx.now,
        },
        "created": tx.now,
        "currency": currency,
        "customer": customer,
        "default_payment_method": method,
        "description": data.get("description"),
        "items": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={subscription_id}",
        },
        "metadata": data.get("metadata", {}),
        "start_date": tx.now,
        "status": "trialing" if trial_end else "active",
        "trial_end": trial_end,
        "trial_start": tx.now if trial_end else None,
    }


_SUBSCRIPTION_ITEM: Body = {
    "object": "subscription_item",
    "billing_thresholds": None,
    "current_trial": None,
    "discounts": [],
    "metadata": {},
    "tax_rates": [],
}


def subscription_item(
    tx: Transaction, *, subscription_id: str, price: Body, quantity: int, period: tuple[int, int]
) -> Body:
    """One price of a subscription, with the period that is paid or on trial."""
    recurring: dict[str, Any] = price["recurring"]
    return {
        "id": new_id("si"),
        **_SUBSCRIPTION_ITEM,
        "created": tx.now,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "plan": {
            "id": price["id"],
            "object": "plan",
            "active": price["active"],
            "amount": price["unit_amount"],
            "amount_decimal": price["unit_amount_decimal"],
            "billing_scheme": "per_unit",
            "created": price["created"],
            "currency": price["currency"],
            "interval": recurring["interval"],
            "interval_count": recurring["interval_count"],
            "livemode": False,
            "metadata": price["metadata"],
            "meter": None,
            "nickname": price["nickname"],
            "product": price["product"],
            "tiers_mode": None,
            "transform_usage": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "price": price,
        "quantity": quantity,
        "subscription": subscription_id,
    }
