"""The template filters that name a browser, and say whether an emailed code alone signs in."""

import re
from typing import Any

from django import template
from django.utils.translation import gettext as _

from connectivity.accounts.stages import SecondFactorStage

register = template.Library()

# The first that fits: nearly all claim to be Safari, many to be Chrome.
_BROWSERS = (
    ("Edge", r"Edg(e|A|iOS)?/"),
    ("Opera", r"OPR/"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("Mac", r"Macintosh"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux"),
)


@register.filter
def browser(user_agent: str) -> str:
    """Return for example “Firefox on Windows”; what is unknown is shown as it came."""
    name, system = _first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent)
    if name and system:
        return _("{browser} on {system}").format(browser=name, system=system)
    return name or system or user_agent[:60]


@register.filter
def code_is_enough(user: Any) -> bool:
    """Whether this person signs in by an emailed code alone, should a device be lost."""
    return not SecondFactorStage.is_for(user)


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for name, pattern in known if re.search(pattern, user_agent)), "")
