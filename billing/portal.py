"""The way to Stripe's own pages for a payer: card, invoices, cancelling; it changes nothing itself.

Its address is a key of its own: it is never logged nor kept. Whoever calls has decided that the
payer may.
"""

from typing import Any
from uuid import UUID

from billing.gateway import StripeAway, StripeRefused, customers
from billing.models import Subscription

__all__ = ["NoCustomer", "StripeAway", "StripeRefused", "url"]


class NoCustomer(LookupError):
    """This payer has never paid for this subject: Stripe has nothing to show."""


def url(*, payer: Any, subject_id: UUID, return_url: str, update_card: bool = False) -> str:
    """Open the pages of the customer who pays, or paid last, for this subject.

    Raises NoCustomer, StripeAway, StripeRefused.
    """
    mine = Subscription.objects.filter(subject_id=subject_id, customer__payer=payer)
    newest = mine.select_related("customer").order_by("-created_at", "-id").first()
    if newest is None or newest.customer is None:
        raise NoCustomer("There is no payer's page for this.")
    configuration = customers.portal_configuration()
    return customers.open_portal(
        newest.customer.stripe_customer_id, configuration, return_url, update_card=update_card
    )
