"""Adds up what is sold: discounts off the gross, tax on or in what is left, in whole cents.

Every sum is rounded once and shared out among its parts, so that parts and sum always agree.
"""

import dataclasses
import fractions
from collections.abc import Sequence

from sandbox.stripe.settings import setting
from sandbox.stripe.store import Body, Transaction

_EXEMPT = {"exempt": "customer_exempt", "reverse": "reverse_charge"}
_TAX_RATE = "txr_1SandboxAutomaticTax"


@dataclasses.dataclass
class Part:
    """One line of what is sold: gross, what each discount takes off, and the tax on the rest."""

    amount: int
    product: str
    discountable: bool = True
    # Whether the amount has the tax in it, or it is put on.
    inclusive: bool = False
    # By discount, in the order in which they apply.
    off: dict[str, int] = dataclasses.field(default_factory=dict)
    tax: int = 0

    @property
    def net(self) -> int:
        """What is left after the discounts, before a tax that is put on."""
        return self.amount - sum(self.off.values())

    @property
    def total(self) -> int:
        """What is to be paid."""
        return self.net if self.inclusive else self.net + self.tax

    @property
    def untaxed(self) -> int:
        """What is to be paid, but for the tax."""
        return self.total - self.tax


@dataclasses.dataclass(frozen=True)
class Tax:
    """The tax that applies: its percentage, and why it is what it is."""

    percent: fractions.Fraction
    reason: str


def applying(tx: Transaction, subscription: Body, at: int) -> list[tuple[str, Body]]:
    """The discounts that take something off an invoice of this instant, with their coupons."""
    found = []
    for name in subscription["discounts"]:
        discount = tx.get("discount", name)
        coupon = tx.get("coupon", discount["source"]["coupon"])
        if (discount["end"] is None or discount["end"] > at) and not (
            coupon["duration"] == "once" and _was_used(tx, subscription, name)
        ):
            found.append((name, coupon))
    return found


def _was_used(tx: Transaction, subscription: Body, discount_id: str) -> bool:
    """Whether an invoice has become cheaper by it; what took nothing off is still to come."""
    condition = (
        "json_extract(body, '$.customer') = ? AND json_extract(body, '$.status') != 'void' "
        "AND EXISTS (SELECT 1 FROM json_each(body, '$.total_discount_amounts') AS taken "
        "WHERE json_extract(taken.value, '$.discount') = ? "
        "AND json_extract(taken.value, '$.amount') > 0)"
    )
    values = [subscription["customer"], discount_id]
    return bool(tx.select("invoice", condition, values, tail="LIMIT 1"))


def tax_for(tx: Transaction, exemption: str) -> Tax | None:
    """The rate that is set for the whole sandbox; None where nothing is collected at all."""
    percent = fractions.Fraction(str(setting(tx, "tax_percent")))
    if not percent:
        return None
    if exemption in _EXEMPT:
        return Tax(fractions.Fraction(0), _EXEMPT[exemption])
    return Tax(percent, "standard_rated")


def reduce(parts: Sequence[Part], coupons: Sequence[tuple[str, Body]], currency: str) -> None:
    """Take each coupon off the parts that it applies to; what is a credit already stays whole."""
    for name, coupon in coupons:
        products = coupon.get("applies_to", {}).get("products")
        meant = [
            part
            for part in parts
            if part.discountable and part.net > 0 and (not products or part.product in products)
        ]
        nets = [part.net for part in meant]
        if coupon["percent_off"] is not None:
            off = rounded(sum(nets) * fractions.Fraction(str(coupon["percent_off"])) / 100)
        else:
            off = min(coupon["amount_off"], sum(nets)) if coupon["currency"] == currency else 0
        for part, share in zip(meant, shared(off, nets), strict=True):
            part.off[name] = share


def levy(parts: Sequence[Part], tax: Tax) -> None:
    """Find the tax on each part, or in it; a credit takes its tax back."""
    for inclusive in (False, True):
        meant = [part for part in parts if part.inclusive == inclusive]
        nets = [part.net for part in meant]
        hundred = 100 + tax.percent if inclusive else 100
        whole = rounded(fractions.Fraction(sum(nets)) * tax.percent / hundred)
        for part, share in zip(meant, shared(whole, nets), strict=True):
            part.tax = share


def rounded(exact: fractions.Fraction) -> int:
    """To whole cents, half a cent away from nought."""
    return int(exact + fractions.Fraction(1, 2)) if exact >= 0 else -rounded(-exact)


def shared(whole: int, weights: Sequence[int]) -> list[int]:
    """`whole` in shares like the weights, which add up to it exactly."""
    total, before, given, shares = sum(weights), 0, 0, []
    for weight in weights:
        before += weight
        until = rounded(fractions.Fraction(whole * before, total)) if total else 0
        shares.append(until - given)
        given = until
    return shares


def tax_lines(parts: Sequence[Part], tax: Tax | None) -> list[Body]:
    """How an invoice and its lines tell of a tax: what is on the amounts, then what is in them."""
    found = []
    for behavior, inclusive in (("exclusive", False), ("inclusive", True)):
        meant = [part for part in parts if part.inclusive == inclusive]
        if tax and meant:
            found.append(_tax_line(meant, behavior, tax))
    return found


def _tax_line(parts: Sequence[Part], behavior: str, tax: Tax) -> Body:
    return {
        "amount": sum(part.tax for part in parts),
        "tax_behavior": behavior,
        "tax_rate_details": {"tax_rate": _TAX_RATE},
        "taxability_reason": tax.reason,
        "taxable_amount": sum(part.untaxed for part in parts),
        "type": "tax_rate_details",
    }
