"""What each of Stripe's API operations accepts and does."""

from sandbox.stripe.operation import Operation
from sandbox.stripe.operations import (
    billing,
    catalog,
    checkout,
    customers,
    discounts,
    events,
    payments,
    subscriptions,
)

ALL: tuple[Operation, ...] = (
    *catalog.OPERATIONS,
    *customers.OPERATIONS,
    *discounts.OPERATIONS,
    *checkout.OPERATIONS,
    *subscriptions.OPERATIONS,
    *billing.OPERATIONS,
    *payments.OPERATIONS,
    *events.OPERATIONS,
)
