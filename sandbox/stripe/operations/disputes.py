"""Disputes, to be read; a bank opens and closes them, which here is a control's part."""

from sandbox.stripe.lists import page
from sandbox.stripe.operation import Operation
from sandbox.stripe.params import CREATED, PAGE, text

OPERATIONS = (
    Operation(
        "GET",
        "/v1/disputes",
        lambda tx, given, _: page(
            tx, "dispute", "/v1/disputes", given, filters=("charge", "payment_intent")
        ),
        {**PAGE, "charge": text(), "created": CREATED, "payment_intent": text()},
    ),
    Operation("GET", "/v1/disputes/{id}", lambda tx, _, which: tx.get("dispute", which)),
)
