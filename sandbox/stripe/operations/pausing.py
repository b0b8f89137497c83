"""Subscriptions that pause and go on."""

from sandbox.stripe.effects import closing, pausing, pending, resuming
from sandbox.stripe.errors import StripeError
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.operations.given import PRORATION_BEHAVIOR
from sandbox.stripe.params import choice, hash_of, integer
from sandbox.stripe.store import Body, Transaction

_PAUSABLE = ("active", "past_due", "trialing")


def pause(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/subscriptions/{id}/pause: neither service nor invoices until it is resumed."""
    subscription = tx.get("subscription", which)
    if subscription["status"] not in _PAUSABLE:
        raise StripeError(
            f"Only subscriptions that are {', '.join(_PAUSABLE)} can be paused; this one is "
            f"{subscription['status']}."
        )
    pending.drop(tx, subscription)
    customer = tx.get("customer", subscription["customer"])
    unused = given.get("bill_for", {}).get("unused_time_from", {"type": "now"})["type"]
    if unused != "none":
        since_start = unused == "item_current_period_start"
        closing.give_back(tx, subscription, customer, whole=since_start)
    private = tx.private(which)
    tx.save_private(which, private | {"credited": unused != "none"})
    pausing.pause(tx, subscription, reason="pause_requested")
    if given.get("invoicing_behavior") == "invoice":
        closing.bill_waiting(tx, subscription, customer)
    return tx.get("subscription", which)


def resume(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/subscriptions/{id}/resume"""
    subscription = tx.get("subscription", which)
    if subscription["status"] != "paused":
        raise StripeError(
            f"Only paused subscriptions can be resumed; this one is {subscription['status']}."
        )
    if "invoice" in tx.private(which).get("resumption", {}):
        raise StripeError(
            "This subscription is being resumed already: its latest invoice waits for payment."
        )
    resuming.begin(tx, subscription, given)
    return tx.get("subscription", which)


OPERATIONS = (
    Operation(
        "POST",
        "/v1/subscriptions/{id}/pause",
        pause,
        {
            "bill_for": hash_of(
                {
                    "outstanding_usage_through": hash_of(
                        {"type": choice("none", "now")}, ("type",)
                    ),
                    "unused_time_from": hash_of(
                        {"type": choice("item_current_period_start", "none", "now")}, ("type",)
                    ),
                }
            ),
            "invoicing_behavior": choice("invoice", "pending_invoice_item"),
            "type": choice("subscription"),
        },
    ),
    Operation(
        "POST",
        "/v1/subscriptions/{id}/resume",
        resume,
        {
            "billing_cycle_anchor": hash_of({"type": choice("now", "unchanged")}, ("type",)),
            "payment_behavior": choice("resume_on_payment_attempt", "resume_on_payment_success"),
            "proration_behavior": PRORATION_BEHAVIOR,
            "proration_date": integer(),
        },
    ),
)
