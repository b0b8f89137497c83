"""Hears of a person's change of address and of each sign-in, and passes it on; decides nothing."""

from typing import Any

from allauth.account.signals import email_changed, email_confirmed
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from billing import clock, events, intents
from connectivity.accounts import languages


@receiver(email_changed)
def tell_stripe(user: Any, **_: Any) -> None:
    """Receipts go to where the person reads now."""
    intents.update_customer_email(payer=user, now=clock.now())


@receiver(email_confirmed)
def welcome(email_address: Any, **_: Any) -> None:
    """An account begins with its first confirmed address; another one later is no beginning."""
    user = email_address.user
    if not events.happened_to(user, "account_opened"):
        events.record("account_opened", payer=user, actor=user, data={}, now=clock.now())


@receiver(user_logged_in)
def keep_language(user: Any, request: HttpRequest, **_: Any) -> None:
    """Mails are in the language in which the person reads here."""
    languages.brought_along(user, request)
