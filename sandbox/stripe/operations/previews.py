"""Invoices that are only shown, and prorations that wait for an invoice."""

from typing import Any

from sandbox.stripe.effects import discounting
from sandbox.stripe.effects.previewing import preview, preview_new
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import page
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.operations.given import CHANGES, DISCOUNT
from sandbox.stripe.operations.starting import provisional
from sandbox.stripe.params import (
    PAGE,
    boolean,
    choice,
    either,
    hash_of,
    integer,
    list_of,
    text,
)
from sandbox.stripe.store import Body, Transaction


def create_preview(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/invoices/create_preview: nothing that it does is kept."""
    tx.db.execute("SAVEPOINT preview")
    try:
        return _preview(tx, given)
    finally:
        tx.db.execute("ROLLBACK TO preview")
        tx.db.execute("RELEASE preview")


def _preview(tx: Transaction, given: Given) -> Body:
    details = given.get("subscription_details", {})
    if "subscription" not in given:
        return _preview_new(tx, given, details)
    subscription = tx.get("subscription", given["subscription"], param="subscription")
    if subscription["status"] in ("canceled", "incomplete_expired"):
        raise StripeError(
            "You cannot preview the upcoming invoice for a canceled subscription.",
            code="invoice_upcoming_none",
            param="subscription",
        )
    ends = subscription["cancel_at"] is not None
    if ends and not set(details) & {"items", "trial_end", "cancel_at", "cancel_at_period_end"}:
        raise StripeError(
            "No upcoming invoices for customer: " + subscription["customer"],
            status=404,
            code="invoice_upcoming_none",
        )
    if "discounts" in given:
        subscription["discounts"] = discounting.grant(tx, subscription, given["discounts"] or [])
    customer = tx.get("customer", subscription["customer"])
    return preview(tx, subscription, customer, details)


def _preview_new(tx: Transaction, given: Given, details: Given) -> Body:
    if "customer" not in given:
        raise StripeError(
            "You must provide a customer or a subscription to preview an invoice.",
            code="parameter_missing",
            param="customer",
        )
    customer = tx.get("customer", given["customer"], param="customer")
    told: Given = {name: details[name] for name in ("items", "trial_end") if name in details}
    told |= {name: given[name] for name in ("discounts", "automatic_tax") if name in given}
    subscription = tx.insert(provisional(tx, customer, told))
    trial = subscription["trial_end"] is not None
    return preview_new(tx, subscription, customer, trial=trial)


def list_items(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/invoiceitems"""
    wanted: list[tuple[str, list[Any]]] = []
    if "pending" in given:
        is_pending = "json_extract(body, '$.invoice') IS NULL"
        wanted.append((is_pending if given["pending"] else f"NOT {is_pending}", []))
    filters = ("customer", "invoice")
    return page(tx, "invoiceitem", "/v1/invoiceitems", given, *wanted, filters=filters)


OPERATIONS = (
    Operation(
        "POST",
        "/v1/invoices/create_preview",
        create_preview,
        {
            "automatic_tax": hash_of({"enabled": boolean}, ("enabled",)),
            "customer": text(),
            "discounts": either("", otherwise=list_of(DISCOUNT, 20)),
            "preview_mode": choice("next"),
            "subscription": text(),
            "subscription_details": hash_of(
                {
                    **CHANGES,
                    "cancel_at": either(
                        "", "min_period_end", "max_period_end", otherwise=integer()
                    ),
                    "cancel_at_period_end": boolean,
                    "cancel_now": boolean,
                }
            ),
        },
    ),
    Operation(
        "GET",
        "/v1/invoiceitems",
        list_items,
        {**PAGE, "customer": text(), "invoice": text(), "pending": boolean},
    ),
)
