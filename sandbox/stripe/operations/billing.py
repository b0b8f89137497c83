"""Invoices and their payments."""

from sandbox.stripe.lists import matching, page
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import CREATED, PAGE, choice, hash_of, text
from sandbox.stripe.store import Body, Transaction


def list_invoices(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/invoices"""
    wanted = []
    if "subscription" in given:
        field = "parent.subscription_details.subscription"
        wanted.append((matching(field), [given["subscription"]]))
    filters = ("collection_method", "customer", "status")
    return page(tx, "invoice", "/v1/invoices", given, *wanted, filters=filters)


def list_payments(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/invoice_payments"""
    wanted = []
    intent = given.get("payment", {}).get("payment_intent")
    if intent is not None:
        wanted.append((matching("payment.payment_intent"), [intent]))
    url = "/v1/invoice_payments"
    return page(tx, "invoice_payment", url, given, *wanted, filters=("invoice", "status"))


OPERATIONS = (
    Operation(
        "GET",
        "/v1/invoices",
        list_invoices,
        {
            **PAGE,
            "collection_method": choice("charge_automatically", "send_invoice"),
            "created": CREATED,
            "customer": text(),
            "status": choice("draft", "open", "paid", "uncollectible", "void"),
            "subscription": text(),
        },
    ),
    Operation("GET", "/v1/invoices/{id}", lambda tx, _, which: tx.get("invoice", which)),
    Operation(
        "GET",
        "/v1/invoice_payments",
        list_payments,
        {
            **PAGE,
            "created": CREATED,
            "invoice": text(),
            "payment": hash_of(
                {"payment_intent": text(), "type": choice("payment_intent")}, ("type",)
            ),
            "status": choice("canceled", "open", "paid"),
        },
    ),
)
