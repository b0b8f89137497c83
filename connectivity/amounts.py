"""The template filters that write an invoice's money and state, whatever either means."""

from django import template
from django.utils.translation import gettext_lazy as _

from fleet import formats

register = template.Library()
_STATES = {"paid": _("Paid"), "open": _("Open"), "uncollectible": _("Unpaid"), "void": _("Void")}


@register.filter
def money(minor: int, currency: str) -> str:
    """Return an amount in the minor unit of `currency` as people write it."""
    return formats.money(minor, currency)


@register.filter
def state(status: str) -> str:
    """Return Stripe's word for an invoice's state in the reader's; one we do not know stays."""
    return str(_STATES.get(status, status))
