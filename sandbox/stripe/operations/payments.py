"""Payment intents, charges and refunds."""

from sandbox.stripe.effects.invoicing import money
from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import emit
from sandbox.stripe.lists import matching, page
from sandbox.stripe.objects import charge as shapes
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import CREATED, PAGE, choice, integer, merged_metadata, metadata, text
from sandbox.stripe.store import Body, Transaction


def create_refund(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/refunds: of a whole charge, or of a part of what is left of it."""
    charge = _charge_to_refund(tx, given)
    for dispute in tx.select("dispute", matching("charge"), [charge["id"]]):
        if not dispute["is_charge_refundable"] and dispute["status"] != "won":
            raise StripeError(
                f"Charge {charge['id']} has been charged back; cannot issue a refund.",
                code="charge_disputed",
            )
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = given.get("amount", left)
    if amount > left:
        currency = charge["currency"]
        raise StripeError(
            f"Refund amount ({money(amount, currency)}) is greater than unrefunded amount on "
            f"charge ({money(left, currency)})",
            param="amount",
        )
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    refund = tx.insert(shapes.refund(tx, charge, amount=amount, given=given))
    refunded = charge["amount_refunded"] + amount
    previous = tx.change(
        charge, amount_refunded=refunded, refunded=refunded == charge["amount_captured"]
    )
    emit(tx, "charge.refunded", charge, previous)
    emit(tx, "refund.created", refund)
    return refund


def _charge_to_refund(tx: Transaction, given: Given) -> Body:
    if ("charge" in given) == ("payment_intent" in given):
        raise StripeError(
            "One of the following params should be provided for this request: payment_intent or "
            "charge.",
            code="parameter_missing",
        )
    charge_id = given.get("charge")
    if charge_id is None:
        intent = tx.get("payment_intent", given["payment_intent"], param="payment_intent")
        charge_id = intent["latest_charge"]
    charge = charge_id and tx.get("charge", charge_id, param="charge")
    if not charge or not charge["paid"]:
        raise StripeError(
            "This PaymentIntent does not have a successful charge to refund.",
            param="charge" if "charge" in given else "payment_intent",
        )
    return dict(charge)


OPERATIONS = (
    Operation(
        "GET", "/v1/payment_intents/{id}", lambda tx, _, which: tx.get("payment_intent", which)
    ),
    Operation("GET", "/v1/charges/{id}", lambda tx, _, which: tx.get("charge", which)),
    Operation(
        "POST",
        "/v1/refunds",
        create_refund,
        {
            "amount": integer(1),
            "charge": text(),
            "metadata": metadata,
            "payment_intent": text(),
            "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
        },
    ),
    Operation(
        "GET",
        "/v1/refunds",
        lambda tx, given, _: page(
            tx, "refund", "/v1/refunds", given, filters=("charge", "payment_intent")
        ),
        {**PAGE, "charge": text(), "created": CREATED, "payment_intent": text()},
    ),
)
