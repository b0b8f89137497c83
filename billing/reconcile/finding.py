"""The kinds of what a reconciliation finds: how each is called and what a person does about it.

docs/operations.md shows them; a test holds the two together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

DRIFT, LEAK = "drift", "leak"
Repair = Callable[[datetime], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding; a drift is from Stripe, a leak is of money or of service."""

    sort: str
    words: str
    to_do: str


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is not as it should be; `repair` says whether it is, afterwards."""

    kind: str
    what: str
    detail: str = ""
    repair: Repair | None = None


_FIX = "`--fix` fetches it and records what follows."
KINDS = {
    "mirror_missing": Kind(DRIFT, "a subscription at Stripe that we have never seen", _FIX),
    "mirror_stale": Kind(DRIFT, "a subscription that is different at Stripe", _FIX),
    "invoice_missing": Kind(DRIFT, "an invoice that is not here, or is different at Stripe", _FIX),
    "subscription_gone": Kind(
        DRIFT,
        "a subscription that Stripe does not know",
        "Nothing repairs it: look whether the key is of the right Stripe account. If Stripe has "
        "lost it, take the car from its owner's garage, or give goodwill.",
    ),
    "customer_gone": Kind(
        DRIFT,
        "a customer that was deleted at Stripe",
        "`--fix` brings the customer's subscriptions up to date and makes a new customer for the "
        "next purchase.",
    ),
    "page_settled": Kind(
        DRIFT, "a payment page that is open here and closed at Stripe", "`--fix` settles it."
    ),
    "dispute_missing": Kind(DRIFT, "a dispute that is not here, or is different at Stripe", _FIX),
    "grant_too_short": Kind(DRIFT, "Premium ends sooner than was paid for", _FIX),
    "grant_too_long": Kind(DRIFT, "Premium lasts longer than was paid for", _FIX),
    "grant_missing": Kind(DRIFT, "somebody paid and there is no Premium", _FIX),
    "grant_without_seat": Kind(
        DRIFT,
        "Premium by a subscription that does not hold the car's seat",
        "`--fix` ends it if its end was decided before. Else decide who pays: cancel the "
        "subscription with a refund, or adopt it.",
    ),
    "seat_of_ended": Kind(DRIFT, "an ended subscription holds a car's seat", _FIX),
    "seat_missing": Kind(
        DRIFT,
        "a live subscription from our own page has lost its car's seat",
        "`--fix` gives it back, where nobody else holds it and the car is still the payer's.",
    ),
    "intent_unanswered": Kind(
        DRIFT,
        "a call to Stripe that has had no answer for an hour",
        "`--fix` tries it once more. Its `error` in the admin says why it fails.",
    ),
    "event_missed": Kind(
        DRIFT, "an event of Stripe's that never came here", "`--fix` takes it in and handles it."
    ),
    "event_waiting": Kind(
        DRIFT,
        "an event that has waited for an hour",
        "`--fix` tries it once more. Its `error` in the admin says why it fails.",
    ),
    "event_parked": Kind(
        DRIFT,
        "an event that is parked",
        "Give the webhook endpoint at Stripe our API version; one in our version was refused by "
        "Stripe, and its `error` says why.",
    ),
    "end_refused": Kind(
        LEAK,
        "a subscription runs on because Stripe refused its end, or what was to go back with it",
        "Cancel it again, which asks Stripe anew; its intent in the admin says why it was refused.",
    ),
    "charged_again": Kind(
        LEAK,
        "a subscription renews although a bank took a payment for it back",
        "`--fix` has it end with its paid time.",
    ),
    "paying_without_a_car": Kind(
        LEAK,
        "somebody pays and no car has Premium by it",
        "Adopt the subscription for its car, or cancel it with a refund.",
    ),
    "premium_without_a_payer": Kind(
        LEAK, "a car has Premium by a subscription that does not pay for it any more", _FIX
    ),
    "two_live_subscriptions": Kind(
        LEAK,
        "two live subscriptions for one car",
        "Cancel the one that does not hold the seat, with a refund.",
    ),
    "unknown_subject": Kind(
        LEAK,
        "somebody pays for a car that is not known, or out of service",
        "Cancel the subscription with a refund.",
    ),
    "not_the_owner": Kind(
        LEAK,
        "somebody pays for a car that is not theirs",
        "Take the car from their garage, which ends the subscription and refunds what is unused.",
    ),
    "unknown_payer": Kind(
        LEAK,
        "a live subscription of nobody we know, or of a closed account",
        "Find out who pays (the customer's address at Stripe); adopt the subscription or cancel "
        "it with a refund.",
    ),
}
