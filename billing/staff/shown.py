"""How people, money and Stripe's objects are shown: masked in lists, linked on pages."""

import json
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext

_DASHBOARD = "https://dashboard.stripe.com"
_PLACES = {
    "cus": "customers",
    "sub": "subscriptions",
    "in": "invoices",
    "evt": "events",
    "price": "prices",
    "prod": "products",
    "dp": "disputes",
    "du": "disputes",
    "pi": "payments",
}
NOTHING = "-"
_SYMBOLS = {"usd": "$", "cad": "CA$", "eur": "€", "gbp": "£"}
# Currencies that Stripe counts without a minor unit.
_WHOLE = frozenset({"clp", "jpy", "krw", "pyg", "vnd", "xaf", "xof", "xpf"})


def money(minor: int, currency: str, *, brief: bool = False) -> str:
    """Return an amount given in the minor unit with its currency; `brief` drops empty cents."""
    places = 0 if currency in _WHOLE else 2
    whole = minor % 10**places == 0
    text = number_format(minor / 10**places, 0 if brief and whole else places)
    symbol = _SYMBOLS.get(currency)
    if not symbol:
        return f"{text} {currency.upper()}"
    # Translators: an amount of money, such as $10.00; a no-break space keeps its parts together.
    return gettext("{symbol}{number}").format(symbol=symbol, number=text)


def minor(amount: Decimal, currency: str) -> int:
    """Return an amount that a person typed in the minor unit; ValueError if it has none such."""
    found = amount * (1 if currency in _WHOLE else 100)
    if found != found.to_integral_value():
        raise ValueError(f"There is no smaller unit than {money(1, currency)}.")
    return int(found)


def masked(email: str) -> str:
    """Return an email as lists show it: `a•••@example.com`."""
    name, _, host = email.partition("@")
    return f"{name[:1]}•••@{host}"


def page(row: Model | None, text: str = "") -> str:
    """Link to the staff's page of a row, which is named by `text` or by itself."""
    if row is None:
        return NOTHING
    meta = row._meta  # noqa: SLF001 -- Django documents it
    try:
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return text or str(row)
    return format_html('<a href="{}">{}</a>', url, text or row)


def person(user: Any) -> str:
    """Link to a person's page, masked; for lists."""
    return page(user, masked(user.email)) if user else NOTHING


def dashboard(stripe_id: str | None) -> str:
    """Link to an object in Stripe's dashboard, in live or test mode as our key is.

    The sandbox has no dashboard: there, only the id is shown.
    """
    if not stripe_id:
        return NOTHING
    if settings.STRIPE_API_BASE:
        return stripe_id
    live = settings.STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
    place = _PLACES.get(stripe_id.partition("_")[0])
    path = f"{place}/{stripe_id}" if place else f"search?query={stripe_id}"
    return format_html(
        '<a href="{}">{} at Stripe</a>', f"{_DASHBOARD}/{'' if live else 'test/'}{path}", stripe_id
    )


def document(value: Any) -> str:
    """Show JSON so that a person can read it."""
    if value is None:
        return NOTHING
    return format_html(
        '<pre class="document">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False)
    )
