"""Payment methods and setup intents: a customer's cards, without anybody at a page."""

from sandbox.stripe import cards
from sandbox.stripe.effects import wallet
from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import emit
from sandbox.stripe.lists import page
from sandbox.stripe.objects.intent import setup_intent
from sandbox.stripe.objects.payment_method import payment_method
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import (
    PAGE,
    boolean,
    choice,
    merged_metadata,
    metadata,
    text,
)
from sandbox.stripe.store import Body, Transaction


def attach(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/payment_methods/{id}/attach: a card that is there, or one of Stripe's test cards."""
    if "customer" not in given:
        raise StripeError(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = tx.get("customer", given["customer"], param="customer")
    method = _method(tx, which)
    if method["customer"] not in (None, customer["id"]):
        raise StripeError(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    _refuse_declined(tx, method)
    wallet.attach(tx, method, customer["id"])
    return method


def detach(tx: Transaction, _: Given, which: str) -> Body:
    """POST /v1/payment_methods/{id}/detach: nothing is paid with it any more."""
    method = tx.get("payment_method", which)
    if method["customer"] is None:
        raise StripeError(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible.",
            code="payment_method_not_attached",
        )
    wallet.detach(tx, method)
    return method


def create_setup(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/setup_intents: with a card and `confirm`, it is set up at once."""
    customer = given.get("customer")
    if customer is not None:
        tx.get("customer", customer, param="customer")
    method = _method(tx, given["payment_method"]) if "payment_method" in given else None
    if given.get("confirm") and method is None:
        raise StripeError(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    made = setup_intent(tx, customer=customer, method="")
    made.update(
        description=given.get("description"),
        metadata=merged_metadata({}, given.get("metadata")),
        payment_method=method and method["id"],
        status="requires_confirmation" if method else "requires_payment_method",
        usage=given.get("usage", "off_session"),
    )
    tx.insert(made)
    if given.get("confirm") and method is not None:
        _refuse_declined(tx, method)
        if customer is not None and method["customer"] is None:
            wallet.attach(tx, method, customer)
        tx.change(made, status="succeeded")
        emit(tx, "setup_intent.succeeded", made)
    return made


def _method(tx: Transaction, which: str) -> Body:
    card = cards.test_card(which)
    if card is None:
        return tx.get("payment_method", which)
    made = payment_method(tx, card, name=None, email=None)
    return tx.insert(made, cards.kept_behaviour(card))


def _refuse_declined(tx: Transaction, method: Body) -> None:
    decline = cards.declines_at_once(tx.private(method["id"]))
    if decline is not None:
        raise StripeError(
            decline.message,
            status=402,
            kind="card_error",
            code=decline.code,
            decline_code=decline.decline_code,
        )


OPERATIONS = (
    Operation(
        "GET",
        "/v1/payment_methods",
        lambda tx, given, _: page(
            tx,
            "payment_method",
            "/v1/payment_methods",
            given,
            # A card that was declined when it was first used belongs to nobody's list.
            ("json_extract(body, '$.customer') IS NOT NULL", []),
            filters=("customer", "type"),
        ),
        {**PAGE, "customer": text(), "type": choice("card")},
    ),
    Operation(
        "GET", "/v1/payment_methods/{id}", lambda tx, _, which: tx.get("payment_method", which)
    ),
    Operation("POST", "/v1/payment_methods/{id}/attach", attach, {"customer": text()}),
    Operation("POST", "/v1/payment_methods/{id}/detach", detach),
    Operation(
        "POST",
        "/v1/setup_intents",
        create_setup,
        {
            "confirm": boolean,
            "customer": text(),
            "description": text(),
            "metadata": metadata,
            "payment_method": text(),
            "return_url": text(),
            "usage": choice("off_session", "on_session"),
        },
    ),
    Operation("GET", "/v1/setup_intents/{id}", lambda tx, _, which: tx.get("setup_intent", which)),
)
