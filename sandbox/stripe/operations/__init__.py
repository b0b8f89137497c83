"""What each of Stripe's API operations accepts and does."""

from sandbox.stripe.operation import Operation
from sandbox.stripe.operations import (
    billing,
    catalog,
    checkout,
    clocks,
    customers,
    discounts,
    events,
    pausing,
    paying,
    payments,
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
    *previews.OPERATIONS,
    *starting.OPERATIONS,
    *events.OPERATIONS,
    *clocks.OPERATIONS,
)
