"""The only speaker of Stripe (API 2026-10-28.endive); returns our own frozen values.

It must never decide anything, read a row or retry a refusal. Each call that changes something
takes an idempotency key, so that the same call made twice is made once.
"""

from billing.gateway.client import (
    API_VERSION,
    DISPUTED,
    GONE,
    StripeAway,
    StripeFailed,
    StripeRefused,
)
from billing.gateway.payments import (
    dispute,
    every_refund,
    invoice_of_payment,
    payments_of_invoice,
    refund,
    refunds,
)
from billing.gateway.selling import (
    create_customer,
    create_price,
    create_product,
    expire_checkout,
    open_checkout,
    prices,
    session,
    session_of_subscription,
    update_customer_email,
)
from billing.gateway.signatures import SignatureInvalid, verified_event
from billing.gateway.subscriptions import (
    cancel_subscription,
    extend,
    renewal_paid,
    set_renewal,
    subscription,
)
from billing.gateway.values import Dispute, Invoice, Line, Price, Refund, Session, Subscription

__all__ = [
    "API_VERSION",
    "DISPUTED",
    "GONE",
    "Dispute",
    "Invoice",
    "Line",
    "Price",
    "Refund",
    "Session",
    "SignatureInvalid",
    "StripeAway",
    "StripeFailed",
    "StripeRefused",
    "Subscription",
    "cancel_subscription",
    "create_customer",
    "create_price",
    "create_product",
    "dispute",
    "every_refund",
    "expire_checkout",
    "extend",
    "invoice_of_payment",
    "open_checkout",
    "payments_of_invoice",
    "prices",
    "refund",
    "refunds",
    "renewal_paid",
    "session",
    "session_of_subscription",
    "set_renewal",
    "subscription",
    "update_customer_email",
    "verified_event",
]
