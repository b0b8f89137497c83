"""Says what a Checkout Session asks for: its items less its code, and tax on or in what is left."""

from typing import Any

from sandbox.stripe.effects import discounting
from sandbox.stripe.effects.discounting import CodeRefusedError
from sandbox.stripe.objects import session as shapes
from sandbox.stripe.objects import totals
from sandbox.stripe.objects.totals import Part
from sandbox.stripe.store import Body, Transaction


def take_off(tx: Transaction, session: Body, asked: list[dict[str, Any]]) -> None:
    """Give the session these discounts and no others, and have it say what it costs now."""
    coupons = [
        (coupon["id"], coupon)
        for number, each in enumerate(asked)
        for coupon in [discounting.coupon_of(tx, each, f"discounts[{number}]")[0]]
    ]
    private = tx.private(session["id"])
    _price(tx, session, private["line_items"], coupons)
    tx.save_private(session["id"], private)
    shown = [{"coupon": None, "promotion_code": None} | each for each in asked]
    tx.change(session, discounts=shown, **shapes.sums(private["line_items"]))


def use_code(tx: Transaction, session: Body, typed: str) -> None:
    """Take a code off that a buyer typed in; an empty one takes nothing off any more.

    Raises CodeRefusedError; then the session is as it was.
    """
    if not typed:
        take_off(tx, session, [])
        return
    code = discounting.find_code(tx, typed)
    _check(tx, session, code)
    take_off(tx, session, [{"promotion_code": code["id"]}])


def check_again(tx: Transaction, session: Body) -> None:
    """A code may have died since it was typed in: raises CodeRefusedError."""
    for asked in session["discounts"]:
        if asked["promotion_code"]:
            _check(tx, session, tx.get("promotion_code", asked["promotion_code"]))
        elif not tx.get("coupon", asked["coupon"])["valid"]:
            raise CodeRefusedError("This code has expired.")


def asked_of(session: Body) -> list[dict[str, Any]]:
    """The session's discounts as a request names them."""
    return [{name: value for name, value in each.items() if value} for each in session["discounts"]]


def automatic_tax(session: Body) -> Body:
    """Whether the subscription that the session sells is taxed."""
    enabled = session["automatic_tax"]["enabled"]
    liability = {"type": "self"} if enabled else None
    return {"disabled_reason": None, "enabled": enabled, "liability": liability}


def _check(tx: Transaction, session: Body, code: Body) -> None:
    customer = tx.get("customer", session["customer"]) if session["customer"] else None
    discounting.check_code(
        tx,
        code,
        customer=customer,
        amount=session["amount_subtotal"],
        currency=session["currency"],
    )


def _price(
    tx: Transaction, session: Body, items: list[Body], coupons: list[tuple[str, Body]]
) -> None:
    parts = [_part(item) for item in items]
    totals.reduce(parts, coupons, session["currency"])
    exemption = (session["customer_details"] or {}).get("tax_exempt", "none")
    tax = totals.tax_for(tx, exemption) if session["automatic_tax"]["enabled"] else None
    if tax:
        totals.levy(parts, tax)
    for item, part in zip(items, parts, strict=True):
        item["amount_discount"] = sum(part.off.values())
        item["amount_tax"] = part.tax
        item["amount_total"] = part.total


def _part(item: Body) -> Part:
    inclusive = item["price"]["tax_behavior"] == "inclusive"
    return Part(item["amount_subtotal"], item["price"]["product"], inclusive=inclusive)
