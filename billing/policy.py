"""What the state of a subscription means for what it paid for: until when its grant lasts.

Pure: it must never read a row, the clock or Stripe. The grant follows money, not status: Stripe
moves the period and says "active" about an hour before it charges.
"""

from datetime import datetime, timedelta

from billing.gateway import Subscription
from billing.models import Subscription as Mirror

GRACE = timedelta(days=7)


def paid_through(subscription: Subscription) -> datetime | None:
    """Until when somebody has paid, or was promised a trial; None if nobody ever did."""
    paid = [
        invoice.paid_through
        for invoice in subscription.invoices
        if invoice.status == "paid" and invoice.paid_through
    ]
    if subscription.trial_ends_at:
        paid.append(subscription.trial_ends_at)
    return max(paid, default=None)


def grant_ends_at(subscription: Subscription) -> datetime | None:
    """When the subscription's grant ends; None if it yields none.

    While it would renew, seven days of grace follow the paid time; none once an end is scheduled,
    nor when it is unpaid, paused or canceled. One that was ended early ends when it was ended.
    """
    paid = paid_through(subscription)
    if paid is None:
        return None
    if subscription.status in Mirror.ENDED:
        return min(paid, subscription.ended_at or paid)
    renews = subscription.status in Mirror.RENEWING and subscription.cancel_at is None
    return paid + GRACE if renews else paid
