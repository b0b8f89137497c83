"""The template tags with which a mail carries what the law's pages say; it decides no word of it.

A link may lead to another text tomorrow. A mail that stays with its reader has to say it itself.
"""

from html.parser import HTMLParser

from django import template
from django.template.loader import render_to_string

from billing import agreements
from connectivity.law import seller as sellers

register = template.Library()
# How a mail in plain text begins what is one of these on a page.
_BEGINNINGS = {"h2": "\n\n## ", "p": "\n\n", "ul": "\n", "li": "\n- "}


class _Text(HTMLParser):
    """Reads a part of a page as plain text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        """Begin a heading, a paragraph, a list, or a point of it."""
        self.said += _BEGINNINGS.get(tag, "")

    def handle_data(self, data: str) -> None:
        """Keep words, and none of the page's own line breaks."""
        self.said += data if data.strip() else ""


@register.simple_tag
def terms_text(version: str) -> str:
    """The terms; nothing where another version was agreed to than the one that we have here."""
    if version != agreements.TERMS:
        return ""
    return _Text(render_to_string("law/terms_text.html", {"seller": seller()})).said.strip()


@register.simple_tag
def seller() -> sellers.Seller:
    """Who sells."""
    return sellers.seller()
