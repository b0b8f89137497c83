"""The facts of money: what Stripe told, what was granted, what is yet to tell; decides nothing."""

from billing.models.agreements import Agreement
from billing.models.catalog import CatalogRevision, StripePrice
from billing.models.journal import DomainEvent, Intent, StripeEvent
from billing.models.payments import Checkout, Customer, Dispute, Invoice, Seat, Subscription
from billing.models.subjects import Change, Grant, Subject
from billing.models.upkeep import Bookmark, Budget, Finding, Reconciliation

__all__ = [
    "Agreement",
    "Bookmark",
    "Budget",
    "CatalogRevision",
    "Change",
    "Checkout",
    "Customer",
    "Dispute",
    "DomainEvent",
    "Finding",
    "Grant",
    "Intent",
    "Invoice",
    "Reconciliation",
    "Seat",
    "StripeEvent",
    "StripePrice",
    "Subject",
    "Subscription",
]
