"""Invoices that somebody finalizes, pays or gives up by hand."""

from sandbox.stripe.effects import collecting, invoicing, standing
from sandbox.stripe.effects.collecting import Collected
from sandbox.stripe.errors import DeclinedError, StripeError
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import boolean, text
from sandbox.stripe.store import Body, Transaction


def pay(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/invoices/{id}/pay: from the card given, or the one that it is due from."""
    invoice = tx.get("invoice", which)
    if invoice["status"] == "draft":
        collecting.open_invoice(tx, invoice)
    elif invoice["status"] == "paid":
        raise StripeError("Invoice is already paid")
    elif invoice["status"] != "open":
        raise StripeError("This invoice can no longer be paid.")
    if invoice["status"] == "open":
        method = _method(tx, given, invoice)
        off_session = given.get("off_session", True)
        collected = collecting.pay_invoice(tx, invoice, method, off_session=off_session)
        refuse_unpaid(tx, invoice, method, collected)
    return tx.get("invoice", which)


def refuse_unpaid(
    tx: Transaction, invoice: Body, method: Body | None, collected: Collected
) -> None:
    """Answer as Stripe does to who asked for a payment that was not made; what was tried stays."""
    if collected.paid:
        return
    intent = collecting.intent_of(tx, invoice)
    if collected.authenticate:
        raise DeclinedError(
            "This payment requires additional user action before it can be completed "
            f"successfully. Payment can be completed at {invoice['hosted_invoice_url']}.",
            code="invoice_payment_intent_requires_action",
            payment_intent=intent,
        )
    decline = collected.decline
    if decline is None or method is None:
        raise StripeError(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set "
            "`default_payment_method` or pass `payment_method`.",
            code="resource_missing",
        )
    raise DeclinedError(
        decline.message,
        code=decline.code,
        decline_code=decline.decline_code,
        charge=intent["latest_charge"],
        payment_intent=intent,
        payment_method=method,
    )


def refuse_incomplete(tx: Transaction, subscription: Body, collected: Collected) -> None:
    """Undo all of a request whose invoice was not paid, as `error_if_incomplete` asks."""
    if collected.paid:
        return
    invoice = tx.get("invoice", subscription["latest_invoice"])
    try:
        refuse_unpaid(tx, invoice, collecting.method_for(tx, invoice), collected)
    except DeclinedError as declined:
        # Not a DeclinedError any more: those keep what was tried.
        error = {name: value for name, value in declined.error.items() if name != "type"}
        raise StripeError(
            error.pop("message"), status=402, kind="card_error", **error
        ) from declined


def void(tx: Transaction, _: Given, which: str) -> Body:
    """POST /v1/invoices/{id}/void"""
    invoice = _in_status(tx, which, ("open", "uncollectible"), "voided")
    invoicing.close(tx, invoice, "void")
    return _settled(tx, invoice)


def mark_uncollectible(tx: Transaction, _: Given, which: str) -> Body:
    """POST /v1/invoices/{id}/mark_uncollectible"""
    invoice = _in_status(tx, which, ("open",), "marked as uncollectible")
    invoice["status_details"] = {"uncollectible": {"reason": "user_forgiven"}}
    invoicing.close(tx, invoice, "uncollectible")
    return _settled(tx, invoice)


def finalize(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/invoices/{id}/finalize: whoever does so may collect it too."""
    invoice = _in_status(tx, which, ("draft",), "finalized")
    tx.change(invoice, auto_advance=given.get("auto_advance", invoice["auto_advance"]))
    collecting.open_invoice(tx, invoice)
    return tx.get("invoice", which)


def _settled(tx: Transaction, invoice: Body) -> Body:
    """Nobody waits for the money any more, so that the subscription may go on."""
    found = invoicing.subscription_of(invoice)
    if found:
        standing.given_up(tx, tx.get("subscription", found), invoice)
    return tx.get("invoice", invoice["id"])


def _in_status(tx: Transaction, which: str, statuses: tuple[str, ...], done: str) -> Body:
    invoice = tx.get("invoice", which)
    if invoice["status"] not in statuses:
        raise StripeError(
            f"Only invoices that are {' or '.join(statuses)} can be {done}; this one is "
            f"{invoice['status']}."
        )
    return invoice


def _method(tx: Transaction, given: Given, invoice: Body) -> Body | None:
    if "payment_method" not in given:
        return collecting.method_for(tx, invoice)
    method = tx.get("payment_method", given["payment_method"], param="payment_method")
    if method["customer"] != invoice["customer"]:
        raise StripeError(
            "The customer does not have a payment method with the ID " + method["id"],
            code="resource_missing",
            param="payment_method",
        )
    return method


OPERATIONS = (
    Operation(
        "POST",
        "/v1/invoices/{id}/pay",
        pay,
        {"off_session": boolean, "payment_method": text()},
    ),
    Operation("POST", "/v1/invoices/{id}/void", void),
    Operation("POST", "/v1/invoices/{id}/mark_uncollectible", mark_uncollectible),
    Operation("POST", "/v1/invoices/{id}/finalize", finalize, {"auto_advance": boolean}),
)
