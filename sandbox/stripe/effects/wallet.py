"""A customer's cards: which belong to whom, and which one pays."""

from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.lists import matching
from sandbox.stripe.store import Body, Transaction


def attach(tx: Transaction, method: Body, customer_id: str) -> None:
    """Give a card to a customer; one that has it already keeps it."""
    if method["customer"] != customer_id:
        tx.change(method, customer=customer_id)
        emit(tx, "payment_method.attached", method)


def detach(tx: Transaction, method: Body) -> None:
    """Take a card away, also from all that it was to pay."""
    customer = tx.record(str(method["customer"]), "customer")
    previous = tx.change(method, customer=None)
    emit(tx, "payment_method.detached", method, previous)
    if customer is not None and not customer.body.get("deleted"):
        settings = customer.body["invoice_settings"]
        if settings["default_payment_method"] == method["id"]:
            pay_by_default(tx, customer.body, None)
    for subscription in tx.select(
        "subscription", matching("default_payment_method"), [method["id"]]
    ):
        before = tx.change(subscription, default_payment_method=None)
        emit_update(tx, "customer.subscription.updated", subscription, before)


def pay_by_default(tx: Transaction, customer: Body, method_id: str | None) -> None:
    """Have a card pay whatever names no other."""
    settings = {**customer["invoice_settings"], "default_payment_method": method_id}
    previous = tx.change(customer, invoice_settings=settings)
    emit_update(tx, "customer.updated", customer, previous)
