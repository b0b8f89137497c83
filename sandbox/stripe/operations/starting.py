"""Subscriptions that the API makes without Checkout, as Stripe's dashboard does."""

from sandbox.stripe.effects import changing, discounting, starting
from sandbox.stripe.effects.cancelling import schedule_end
from sandbox.stripe.errors import StripeError
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.operations.given import (
    DISCOUNT,
    PAYMENT_BEHAVIORS,
    PRORATION_BEHAVIOR,
    TRIAL_SETTINGS,
    own_method,
    trial_settings,
)
from sandbox.stripe.operations.paying import refuse_incomplete
from sandbox.stripe.params import (
    boolean,
    choice,
    either,
    hash_of,
    integer,
    list_of,
    merged_metadata,
    metadata,
    text,
)
from sandbox.stripe.store import Body, Transaction


def create(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/subscriptions"""
    customer = tx.get("customer", given["customer"], param="customer")
    subscription = provisional(tx, customer, given)
    behavior = given.get("payment_behavior", "allow_incomplete")
    if behavior == "pending_if_incomplete":
        raise StripeError(
            "`pending_if_incomplete` can only be used to update a subscription.",
            param="payment_behavior",
        )
    waits = behavior == "default_incomplete"
    if not waits and not _has_card(subscription, customer):
        raise StripeError(
            "This customer has no attached payment source or default payment method. Please "
            "consider adding a default payment method.",
            code="resource_missing",
        )
    collected = starting.begin(tx, customer, subscription, waits=waits)
    subscription = tx.get("subscription", subscription["id"])
    if behavior == "error_if_incomplete":
        refuse_incomplete(tx, subscription, collected)
    return subscription


def provisional(tx: Transaction, customer: Body, given: Given) -> Body:
    """The subscription that a request describes, with nothing billed or stored."""
    sold = _sold(tx, given.get("items", []))
    method = given.get("default_payment_method")
    if method is not None:
        own_method(tx, method, customer["id"], param="default_payment_method")
    made = starting.build(
        tx,
        customer,
        sold,
        method=method,
        trial_end=_trial_end(tx, given),
        data={
            "description": given.get("description"),
            "metadata": merged_metadata({}, given.get("metadata")),
        },
    )
    if "trial_settings" in given:
        made["trial_settings"] = trial_settings(given)
    if "automatic_tax" in given:
        enabled = given["automatic_tax"]["enabled"]
        made["automatic_tax"] = {
            "disabled_reason": None,
            "enabled": enabled,
            "liability": {"type": "self"} if enabled else None,
        }
    if given.get("discounts"):
        made["discounts"] = discounting.grant(tx, made, given["discounts"])
    if "cancel_at" in given or "cancel_at_period_end" in given:
        made |= schedule_end(tx, made, given)
    return made


def _sold(tx: Transaction, items: list[Given]) -> list[tuple[Body, int]]:
    if not items:
        raise StripeError("Missing required param: items.", code="parameter_missing", param="items")
    sold: list[tuple[Body, int]] = []
    for number, wanted in enumerate(items):
        price = changing.recurring_price(
            tx,
            wanted["price"],
            currency=sold[0][0]["currency"] if sold else None,
            param=f"items[{number}][price]",
        )
        sold.append((price, wanted.get("quantity", 1)))
    return sold


def _trial_end(tx: Transaction, given: Given) -> int | None:
    if "trial_end" in given and "trial_period_days" in given:
        raise StripeError(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            param="trial_end",
        )
    if "trial_period_days" in given:
        return tx.now + 86400 * int(given["trial_period_days"])
    ends = given.get("trial_end", "now")
    if ends == "now":
        return None
    if ends <= tx.now:
        raise StripeError("Invalid timestamp: must be in the future", param="trial_end")
    return int(ends)


def _has_card(subscription: Body, customer: Body) -> bool:
    on_trial = subscription["trial_end"] is not None
    default = customer["invoice_settings"]["default_payment_method"]
    return bool(on_trial or subscription["default_payment_method"] or default)


ITEM = hash_of({"price": text(), "quantity": integer(1, 999_999)}, ("price",))

OPERATIONS = (
    Operation(
        "POST",
        "/v1/subscriptions",
        create,
        {
            "automatic_tax": hash_of({"enabled": boolean}, ("enabled",)),
            "billing_mode": hash_of({"type": choice("flexible")}, ("type",)),
            "cancel_at": either("min_period_end", "max_period_end", otherwise=integer()),
            "cancel_at_period_end": boolean,
            "collection_method": choice("charge_automatically"),
            "customer": text(),
            "default_payment_method": text(),
            "description": text(500),
            "discounts": either("", otherwise=list_of(DISCOUNT, 20)),
            "items": list_of(ITEM, 20),
            "metadata": metadata,
            "off_session": boolean,
            "payment_behavior": choice(*PAYMENT_BEHAVIORS),
            "proration_behavior": PRORATION_BEHAVIOR,
            "trial_end": either("now", otherwise=integer()),
            "trial_period_days": integer(1, 730),
            "trial_settings": TRIAL_SETTINGS,
        },
        ("customer",),
    ),
)
