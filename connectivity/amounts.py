"""The template filter that writes money; what an amount means is its caller's business."""

from django import template

from fleet import formats

register = template.Library()


@register.filter
def money(minor: int, currency: str) -> str:
    """Return an amount in the minor unit of `currency` as people write it."""
    return formats.money(minor, currency)
