"""Grants coupons, by themselves or by a code, and decides which still take something off."""

import calendar
import datetime as dt
from typing import Any

from sandbox.stripe.due import schedule
from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import emit_update
from sandbox.stripe.lists import matching
from sandbox.stripe.objects.discount import discount
from sandbox.stripe.store import Body, Transaction

END_COUPON = "coupon.end"
END_CODE = "promotion_code.end"
END_DISCOUNT = "discount.end"


class CodeRefusedError(Exception):
    """A buyer's code takes nothing off; the text is what the page says."""


def watch_coupon(tx: Transaction, coupon: Body) -> None:
    """Have it end when it says that it does."""
    if coupon["redeem_by"] is not None:
        schedule(tx, END_COUPON, coupon["id"], due_at=coupon["redeem_by"])


def watch_code(tx: Transaction, code: Body) -> None:
    """Have it end when it says that it does."""
    if code["expires_at"] is not None:
        schedule(tx, END_CODE, code["id"], due_at=code["expires_at"])


def end_coupon(tx: Transaction, coupon_id: str) -> None:
    """Nobody may redeem it, or a code for it, any more; those who have it keep it."""
    tx.change(tx.get("coupon", coupon_id), valid=False)
    for code in tx.select("promotion_code", matching("promotion.coupon"), [coupon_id]):
        tx.change(code, active=False)


def end_code(tx: Transaction, code_id: str) -> None:
    """Nobody may redeem it any more."""
    tx.change(tx.get("promotion_code", code_id), active=False)


def find_code(tx: Transaction, typed: str) -> Body:
    """The code that a buyer typed in, in capitals or not; one that is dead only if none lives."""
    codes = tx.select(
        "promotion_code", "lower(json_extract(body, '$.code')) = ?", [typed.strip().lower()]
    )
    if not codes:
        raise CodeRefusedError("This code is invalid.")
    return next((code for code in codes if code["active"]), codes[0])


def check_code(
    tx: Transaction, code: Body, *, customer: Body | None, amount: int, currency: str
) -> None:
    """Raise CodeRefusedError unless this buyer may use it for this amount, now."""
    coupon = tx.get("coupon", code["promotion"]["coupon"])
    if (code["expires_at"] or tx.now + 1) <= tx.now or (
        (coupon["redeem_by"] or tx.now + 1) <= tx.now
    ):
        raise CodeRefusedError("This code has expired.")
    if _used_up(code) or _used_up(coupon):
        raise CodeRefusedError("This code has been used up.")
    if not code["active"] or not coupon["valid"]:
        raise CodeRefusedError("This code is invalid.")
    if code["customer"] is not None and code["customer"] != (customer and customer["id"]):
        raise CodeRefusedError("This code is invalid.")
    if coupon["amount_off"] is not None and coupon["currency"] != currency:
        raise CodeRefusedError("This code is for another currency.")
    limits = code["restrictions"]
    if limits["first_time_transaction"] and customer and _has_paid(tx, customer["id"]):
        raise CodeRefusedError("This code is for new customers only.")
    if (limits["minimum_amount"] or 0) > amount:
        raise CodeRefusedError("This code needs a larger purchase.")


def coupon_of(tx: Transaction, asked: Body, param: str) -> tuple[Body, Body | None]:
    """The coupon, and the code if there is one, that a request's `discounts[]` names."""
    if ("coupon" in asked) == ("promotion_code" in asked):
        raise StripeError(
            "You must specify exactly one of `coupon` and `promotion_code` in each of `discounts`.",
            param=param,
        )
    if "coupon" in asked:
        coupon, code = tx.get("coupon", asked["coupon"], param=f"{param}[coupon]"), None
    else:
        code = tx.get("promotion_code", asked["promotion_code"], param=f"{param}[promotion_code]")
        coupon = tx.get("coupon", code["promotion"]["coupon"])
        if not code["active"]:
            raise StripeError("This promotion code is not active.", param=param)
    if not coupon["valid"]:
        raise StripeError(
            f"Coupon {coupon['id']} is expired.", code="coupon_expired", param=f"{param}[coupon]"
        )
    return coupon, code


def grant(
    tx: Transaction,
    subscription: Body,
    asked: list[dict[str, Any]],
    *,
    session: str | None = None,
    param: str = "discounts",
) -> list[str]:
    """Redeem coupons and codes for a subscription; returns what its `discounts` is to be."""
    granted = []
    for number, each in enumerate(asked):
        coupon, code = coupon_of(tx, each, f"{param}[{number}]")
        made = discount(
            tx,
            coupon_id=coupon["id"],
            promotion=code["id"] if code else None,
            customer=subscription["customer"],
            subscription=subscription["id"],
            session=session,
            end=_end(tx.now, coupon),
        )
        granted.append(tx.insert(made)["id"])
        if made["end"] is not None:
            schedule(tx, END_DISCOUNT, made["id"], due_at=made["end"])
        for redeemed in filter(None, (coupon, code)):
            tx.change(redeemed, times_redeemed=redeemed["times_redeemed"] + 1)
        if _used_up(coupon):
            end_coupon(tx, coupon["id"])
        elif code and _used_up(code):
            end_code(tx, code["id"])
    return granted


def forget_used(tx: Transaction, invoice: Body) -> None:
    """What was to be taken off once was taken off by this invoice: its subscription is told."""
    for taken in invoice["total_discount_amounts"]:
        found = tx.get("discount", taken["discount"])
        coupon = tx.get("coupon", found["source"]["coupon"])
        if coupon["duration"] == "once" and taken["amount"] > 0:
            # A moment later: who finalizes holds the subscription and will save it.
            schedule(tx, END_DISCOUNT, found["id"], due_at=tx.now)


def end_discount(tx: Transaction, discount_id: str) -> None:
    """It takes nothing off any more."""
    found = tx.get("discount", discount_id)
    subscription = tx.get("subscription", found["subscription"])
    left = [each for each in subscription["discounts"] if each != discount_id]
    tx.change(found, end=found["end"] or tx.now)
    emit_update(
        tx, "customer.subscription.updated", subscription, tx.change(subscription, discounts=left)
    )


def _used_up(body: Body) -> bool:
    most = body["max_redemptions"]
    return most is not None and body["times_redeemed"] >= most


def _has_paid(tx: Transaction, customer_id: str) -> bool:
    condition = f"{matching('customer')} AND json_extract(body, '$.amount_paid') > 0"
    return bool(tx.select("invoice", condition, [customer_id], tail="LIMIT 1"))


def _end(now: int, coupon: Body) -> int | None:
    if coupon["duration"] != "repeating":
        return None
    start = dt.datetime.fromtimestamp(now, dt.UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + coupon["duration_in_months"], 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())
