"""Hears of a person's change of address and of each sign-in, and passes it on; decides nothing."""

from typing import Any

from allauth.account.signals import email_changed
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from billing import clock, intents
from connectivity.accounts import languages


@receiver(email_changed)
def tell_stripe(user: Any, **_: Any) -> None:
    """Receipts go to where the person reads now."""
    intents.update_customer_email(payer=user, now=clock.now())


@receiver(user_logged_in)
def keep_language(user: Any, request: HttpRequest, **_: Any) -> None:
    """Mails are in the language in which the person reads here."""
    languages.brought_along(user, request)
