"""The shape of an invoice, its lines and its payments."""

from sandbox.stripe.objects import totals
from sandbox.stripe.objects.totals import Part, Tax
from sandbox.stripe.store import Body, Transaction, new_id

# What a new object of each kind starts with. Effects replace these fields, never what is in them.
_INVOICE: Body = {
    "object": "invoice",
    "account_country": "US",
    "account_name": "Sandbox",
    "account_tax_ids": None,
    "amount_overpaid": 0,
    "amount_paid": 0,
    "amount_shipping": 0,
    "application": None,
    "attempt_count": 0,
    "attempted": False,
    "auto_advance": True,
    "automatic_tax": {
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    "automatically_finalizes_at": None,
    "collection_method": "charge_automatically",
    "custom_fields": None,
    "customer_account": None,
    "customer_shipping": None,
    "customer_tax_ids": [],
    "default_payment_method": None,
    "default_source": None,
    "default_tax_rates": [],
    "description": None,
    "discounts": [],
    "due_date": None,
    "effective_at": None,
    "ending_balance": None,
    "footer": None,
    "from_invoice": None,
    "hosted_invoice_url": None,
    "invoice_pdf": None,
    "issuer": {"type": "self"},
    "last_finalization_error": None,
    "latest_revision": None,
    "livemode": False,
    "metadata": {},
    "next_payment_attempt": None,
    "number": None,
    "on_behalf_of": None,
    "payment_settings": {
        "default_mandate": None,
        "payment_method_options": None,
        "payment_method_types": None,
    },
    "post_payment_credit_notes_amount": 0,
    "pre_payment_credit_notes_amount": 0,
    "receipt_number": None,
    "rendering": None,
    "shipping_cost": None,
    "shipping_details": None,
    "starting_balance": 0,
    "statement_descriptor": None,
    "status": "draft",
    "status_transitions": {
        "finalized_at": None,
        "marked_uncollectible_at": None,
        "paid_at": None,
        "voided_at": None,
    },
    "test_clock": None,
    "total_discount_amounts": [],
    "total_pretax_credit_amounts": [],
    "total_taxes": [],
    "webhooks_delivered_at": None,
}


_BILLED = ("address", "email", "name", "phone", "tax_exempt")


def invoice(
    tx: Transaction, *, customer: Body, subscription: Body, lines: list[Body], reason: str
) -> Body:
    """A draft invoice for a subscription; `reason` is Stripe's billing_reason."""
    invoice_id = new_id("in")
    for line in lines:
        line["invoice"] = invoice_id
    return {
        "id": invoice_id,
        **_INVOICE,
        **_priced(tx, customer, subscription, lines),
        "billing_reason": reason,
        "created": tx.now,
        "currency": subscription["currency"],
        "customer": customer["id"],
        **{f"customer_{part}": customer[part] for part in _BILLED},
        "lines": {
            "object": "list",
            "data": lines,
            "has_more": False,
            "url": f"/v1/invoices/{invoice_id}/lines",
        },
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "period_end": tx.now,
        "period_start": tx.now,
    }


def _priced(tx: Transaction, customer: Body, subscription: Body, lines: list[Body]) -> Body:
    """Every sum of the invoice, after its lines were told their discounts and their tax."""
    at = max([tx.now, *(line["period"]["start"] for line in lines)])
    coupons = totals.applying(tx, subscription, at)
    parts = [_part(tx, line) for line in lines]
    totals.reduce(parts, coupons, subscription["currency"])
    taxed = subscription["automatic_tax"]["enabled"]
    tax = totals.tax_for(tx, customer["tax_exempt"]) if taxed else None
    if tax:
        totals.levy(parts, tax)
    for line, part in zip(lines, parts, strict=True):
        _tell_line(line, part, tax)
    off = {name: sum(part.off.get(name, 0) for part in parts) for name, _ in coupons}
    subtotal, total = sum(part.amount for part in parts), sum(part.total for part in parts)
    return {
        "amount_due": max(0, total),
        "amount_remaining": max(0, total),
        "automatic_tax": _AUTOMATIC if taxed else _INVOICE["automatic_tax"],
        "discounts": [name for name, _ in coupons],
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - sum(part.tax for part in parts if part.inclusive),
        "total": total,
        "total_discount_amounts": _amounts(off),
        "total_excluding_tax": sum(part.untaxed for part in parts),
        "total_taxes": totals.tax_lines(parts, tax),
    }


_AUTOMATIC: Body = {
    "disabled_reason": None,
    "enabled": True,
    "liability": {"type": "self"},
    "provider": "stripe",
    "status": "complete",
}


def _part(tx: Transaction, line: Body) -> Part:
    details = line["pricing"]["price_details"]
    inclusive = tx.get("price", details["price"])["tax_behavior"] == "inclusive"
    return Part(
        line["amount"],
        details["product"],
        discountable=line["discountable"],
        inclusive=inclusive,
    )


def _tell_line(line: Body, part: Part, tax: Tax | None) -> None:
    line["discounts"] = list(part.off)
    line["discount_amounts"] = _amounts(part.off)
    line["taxes"] = totals.tax_lines([part], tax)


def _amounts(off: dict[str, int]) -> list[Body]:
    return [{"amount": amount, "discount": name} for name, amount in off.items()]


_LINE_ITEM: Body = {
    "object": "line_item",
    "discount_amounts": [],
    "discountable": True,
    "discounts": [],
    "invoice": None,
    "livemode": False,
    "metadata": {},
    "pretax_credit_amounts": [],
    "taxes": [],
}


def line_item(item: Body, *, amount: int, description: str) -> Body:
    """What a subscription item costs for its current period."""
    return {
        "id": new_id("il"),
        **_LINE_ITEM,
        "amount": amount,
        "currency": item["price"]["currency"],
        "description": description,
        "parent": {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": item["subscription"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": {"end": item["current_period_end"], "start": item["current_period_start"]},
        "pricing": {
            "price_details": {"price": item["price"]["id"], "product": item["price"]["product"]},
            "type": "price_details",
            "unit_amount_decimal": str(amount // item["quantity"]),
        },
        "quantity": item["quantity"],
        "quantity_decimal": str(item["quantity"]),
        "subscription": item["subscription"],
        "subtotal": amount,
    }


def invoice_payment(tx: Transaction, paid: Body, intent: str) -> Body:
    """The link between a paid invoice and the payment intent that paid it."""
    return {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": paid["amount_paid"],
        "amount_requested": paid["amount_due"],
        "created": tx.now,
        "currency": paid["currency"],
        "invoice": paid["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": tx.now},
    }
