"""What follows from the market a car was made for: its currency, its owner's right to withdraw.

It must never know an owner: what was agreed for a car is the same whoever pays. A car that was made
for a market is sold and paid for there; where its owner lives is not known, and is not asked.
"""

DEFAULT_CURRENCY = "usd"

# Directive 2011/83/EU holds in the European Union, with its outermost regions and Åland, and in the
# European Economic Area. The United Kingdom kept the same 14 days in its own law. Switzerland has
# no such law for this; its owners have the right by our own word, so that one page holds for all.
_CODES = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK "
    "AX GF GP MF MQ RE YT "
)
_UNION = frozenset(_CODES.split())
_AREA = frozenset({"IS", "LI", "NO"})
_SAME_LAW = frozenset({"GB", "CH"})
MAY_WITHDRAW = _UNION | _AREA | _SAME_LAW

# One price list for all of Europe, and one for Canada.
_CURRENCIES = {"CA": "cad"} | dict.fromkeys(MAY_WITHDRAW, "eur")


def currency(market: str) -> str:
    """The currency in which Premium is sold for a car of this market."""
    return _CURRENCIES.get(market, DEFAULT_CURRENCY)


def may_withdraw(market: str) -> bool:
    """Whether a contract for a car of this market can be withdrawn from within 14 days."""
    return market in MAY_WITHDRAW
