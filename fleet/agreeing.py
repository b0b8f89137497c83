"""The words beside the button with which somebody subscribes; they are kept as they were read.

What the law of the car's market asks for is said here; whether it was agreed to is kept by billing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from billing import agreements
from billing.catalog import Price, tax_included
from fleet import markets, words
from fleet.formats import money
from fleet.models import Vehicle

_MONTHS = 12
NOT_ASKED = gettext_lazy(
    "Tick the box above the button first: Premium begins at once only if you ask for that. "
    "Nothing was charged."
)


class NotAsked(Exception):
    """The owner has not asked that it begins before the 14 days are over."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is read before the button is pressed; empty where the market has no such right."""

    price: str
    terms: str
    withdrawal: str
    start: str


def terms(vehicle: Vehicle) -> Terms:
    """Return what stands beside the button for this car."""
    withdrawable = markets.may_withdraw(vehicle.market)
    included = tax_included(markets.currency(vehicle.market))
    return Terms(
        price=_("VAT is included. You pay on Stripe's page and can cancel any time.")
        if included
        else _("Plus tax. You pay on Stripe's page and can cancel any time."),
        terms=_("By subscribing you agree to our terms, version {version}.").format(
            version=agreements.TERMS
        ),
        withdrawal=_(
            "You can withdraw from the contract for 14 days, without a reason: on this page, or "
            "under “Withdraw from contract here” at the foot of each page."
        )
        if withdrawable
        else "",
        start=_(
            "I ask you to begin at once. If I withdraw within the 14 days, I pay for the days "
            "until then."
        )
        if withdrawable
        else "",
    )


def saved(sold: Sequence[Price]) -> str:
    """What a year saves against twelve months; empty where it saves nothing, or one is not sold."""
    amounts = {price.interval: price.unit_amount for price in sold}
    currency = next((price.currency for price in sold), "")
    if not {"month", "year"} <= amounts.keys():
        return ""
    less = _MONTHS * amounts["month"] - amounts["year"]
    return money(less, currency, brief=True) if less > 0 else ""


def agreed(vehicle: Vehicle, price: Price | None, *, asked_to_start: bool) -> agreements.Shown:
    """What the owner has read and asked for. Raises NotAsked where they would have to ask."""
    read = terms(vehicle)
    if read.start and not asked_to_start:
        raise NotAsked("Premium begins at once only for who asks for that.")
    said = {"price": read.price, "terms": read.terms, "withdrawal": read.withdrawal}
    button = words.offer(price).label if price else ""
    return agreements.Shown(
        language=get_language() or "en",
        words={"button": button, **said, "start": read.start},
        asked_to_start=bool(read.start and asked_to_start),
    )
