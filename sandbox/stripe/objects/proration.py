"""The shapes of a proration: an invoice item that waits, and the line that it becomes."""

import dataclasses
from typing import Any

from sandbox.stripe.objects import invoice as invoices
from sandbox.stripe.store import Body, Transaction, new_id


@dataclasses.dataclass(frozen=True)
class Part:
    """Money for a part of a period: below zero for time that is not used after all."""

    item: Body
    amount: int
    description: str
    period: tuple[int, int]
    # What it gives back was billed there: an invoice and its lines, or an invoice item.
    credited: dict[str, Any] | None = None


def invoice_item(tx: Transaction, customer: Body, part: Part) -> Body:
    """A proration that the next invoice of its subscription takes in."""
    price = part.item["price"]
    return {
        "id": new_id("ii"),
        "object": "invoiceitem",
        "amount": part.amount,
        "currency": price["currency"],
        "customer": customer["id"],
        "customer_account": None,
        "date": tx.now,
        "description": part.description,
        # What was credited was billed with its discounts; what is charged gets its own.
        "discountable": part.amount >= 0,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": part.amount,
        "parent": {
            "subscription_details": {
                "subscription": part.item["subscription"],
                "subscription_item": part.item["id"],
            },
            "type": "subscription_details",
        },
        "period": {"end": part.period[1], "start": part.period[0]},
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "proration": True,
        "proration_details": {"credited_items": part.credited, "discount_amounts": []},
        "quantity": part.item["quantity"],
        "quantity_decimal": str(part.item["quantity"]),
        "tax_rates": [],
        "test_clock": None,
    }


def line_of(tx: Transaction, waiting: Body) -> Body:
    """The line that an invoice item becomes."""
    details = waiting["parent"]["subscription_details"]
    price = tx.get("price", waiting["pricing"]["price_details"]["price"])
    item = {
        "id": details["subscription_item"],
        "price": price,
        "quantity": waiting["quantity"],
        "subscription": details["subscription"],
        "current_period_end": waiting["period"]["end"],
        "current_period_start": waiting["period"]["start"],
    }
    line = invoices.line_item(item, amount=waiting["amount"], description=waiting["description"])
    credited = waiting["proration_details"]["credited_items"] or {}
    line["discountable"] = waiting["discountable"]
    line["pricing"] = waiting["pricing"]
    line["parent"]["subscription_item_details"].update(
        invoice_item=waiting["id"],
        proration=True,
        proration_details={"credited_items": credited.get("invoice_line_item_details")},
    )
    return line
