"""The facts of money: what Stripe told, what was granted, what is yet to tell; decides nothing."""

from billing.models.catalog import CatalogRevision, StripePrice
from billing.models.journal import DomainEvent, Intent, StripeEvent
from billing.models.payments import Checkout, Customer, Invoice, Seat, Subscription
from billing.models.subjects import Change, Grant, Subject

__all__ = [
    "CatalogRevision",
    "Change",
    "Checkout",
    "Customer",
    "DomainEvent",
    "Grant",
    "Intent",
    "Invoice",
    "Seat",
    "StripeEvent",
    "StripePrice",
    "Subject",
    "Subscription",
]
