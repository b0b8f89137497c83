"""Hears of a person's own change of address, and lets it reach Stripe; decides nothing."""

from typing import Any

from allauth.account.signals import email_changed
from django.dispatch import receiver

from billing import clock, intents


@receiver(email_changed)
def tell_stripe(user: Any, **_: Any) -> None:
    """Receipts go to where the person reads now."""
    intents.update_customer_email(payer=user, now=clock.now())
