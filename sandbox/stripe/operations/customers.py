"""Customers."""

from sandbox.stripe.clocks import KIND
from sandbox.stripe.effects.cancelling import cancel_now
from sandbox.stripe.effects.checkout import expire_all_of
from sandbox.stripe.errors import StripeError, no_such
from sandbox.stripe.events import emit, emit_update
from sandbox.stripe.lists import page
from sandbox.stripe.objects.customer import customer as shape
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import (
    CREATED,
    PAGE,
    choice,
    hash_of,
    list_of,
    merged_metadata,
    metadata,
    text,
)
from sandbox.stripe.store import Body, Transaction

# As many customers live by one test clock.
_ON_A_CLOCK = 3


def create(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/customers"""
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    if "test_clock" in given:
        _check_clock(tx, given["test_clock"])
    customer = tx.insert(shape(tx, **given))
    emit(tx, "customer.created", customer)
    return customer


def _check_clock(tx: Transaction, which: str) -> None:
    tx.get(KIND, which, param="test_clock")
    if len(tx.select("customer", "json_extract(body, '$.test_clock') = ?", [which])) >= _ON_A_CLOCK:
        raise StripeError(
            f"You can only create up to {_ON_A_CLOCK} customers per test clock.",
            param="test_clock",
        )


def update(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/customers/{id}"""
    customer = _living(tx, which)
    if "metadata" in given:
        given["metadata"] = merged_metadata(customer["metadata"], given["metadata"])
    settings = given.pop("invoice_settings", {})
    if "default_payment_method" in settings:
        given["invoice_settings"] = {
            **customer["invoice_settings"],
            "default_payment_method": _own_method(tx, settings["default_payment_method"], which),
        }
    emit_update(tx, "customer.updated", customer, tx.change(customer, **given))
    return customer


def delete(tx: Transaction, _: Given, which: str) -> Body:
    """DELETE /v1/customers/{id}: ends the customer's subscriptions and open sessions for good."""
    customer = _living(tx, which)
    subscriptions = tx.select(
        "subscription",
        "json_extract(body, '$.customer') = ? AND json_extract(body, '$.status') != 'canceled'",
        [which],
    )
    for subscription in subscriptions:
        cancel_now(tx, subscription)
    expire_all_of(tx, which)
    emit(tx, "customer.deleted", customer)
    remains = {"id": which, "object": "customer", "deleted": True}
    tx.delete(remains)
    return remains


def _living(tx: Transaction, which: str) -> Body:
    customer = tx.get("customer", which)
    if customer.get("deleted"):
        raise no_such("customer", which)
    return customer


def _own_method(tx: Transaction, method_id: str | None, customer_id: str) -> str | None:
    if method_id is None:
        return None
    param = "invoice_settings[default_payment_method]"
    method = tx.get("payment_method", method_id, param=param)
    if method["customer"] != customer_id:
        raise StripeError(
            "The customer does not have a payment method with the ID " + method_id,
            code="resource_missing",
            param=param,
        )
    return method_id


_ADDRESS = hash_of(
    {
        name: text(can_be_unset=True)
        for name in ("city", "country", "line1", "line2", "postal_code", "state")
    }
)


def _whole_address(raw: object, name: str) -> Body | None:
    if raw == "":
        return None
    given = _ADDRESS(raw, name)  # type: ignore[arg-type]
    places = ("city", "country", "line1", "line2", "postal_code", "state")
    return {place: given.get(place) for place in places}


_WRITABLE = {
    "address": _whole_address,
    "description": text(can_be_unset=True),
    "email": text(512, can_be_unset=True),
    "metadata": metadata,
    "name": text(256, can_be_unset=True),
    "phone": text(20, can_be_unset=True),
    "preferred_locales": list_of(text()),
    "tax_exempt": choice("none", "exempt", "reverse"),
}

OPERATIONS = (
    Operation("POST", "/v1/customers", create, {**_WRITABLE, "test_clock": text()}),
    Operation(
        "GET",
        "/v1/customers",
        lambda tx, given, _: page(tx, "customer", "/v1/customers", given, filters=("email",)),
        {**PAGE, "created": CREATED, "email": text(512)},
    ),
    Operation("GET", "/v1/customers/{id}", lambda tx, _, which: tx.get("customer", which)),
    Operation(
        "POST",
        "/v1/customers/{id}",
        update,
        {
            **_WRITABLE,
            "invoice_settings": hash_of({"default_payment_method": text(can_be_unset=True)}),
        },
    ),
    Operation("DELETE", "/v1/customers/{id}", delete, expands=False),
)
