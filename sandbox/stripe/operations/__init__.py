"""What each of Stripe's API operations accepts and does."""

from sandbox.stripe.operation import Operation
from sandbox.stripe.operations import (
    billing,
    cards,
    catalog,
    checkout,
    clocks,
    customers,
    discounts,
    disputes,
    events,
    pausing,
    paying,
    payments,
    portal,
    previews,
    starting,
    subscriptions,
)

ALL: tuple[Operation, ...] = (
    *catalog.OPERATIONS,
    *customers.OPERATIONS,
    *discounts.OPERATIONS,
    *checkout.OPERATIONS,
    *subscriptions.OPERATIONS,
    *billing.OPERATIONS,
    *pausing.OPERATIONS,
    *paying.OPERATIONS,
    *payments.OPERATIONS,
    *cards.OPERATIONS,
    *disputes.OPERATIONS,
    *portal.OPERATIONS,
    *previews.OPERATIONS,
    *starting.OPERATIONS,
    *events.OPERATIONS,
    *clocks.OPERATIONS,
)
