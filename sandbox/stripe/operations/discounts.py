"""Coupons and promotion codes."""

from typing import Any

from sandbox.stripe.effects import discounting
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import matching, page
from sandbox.stripe.objects import discount as shapes
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import (
    CREATED,
    PAGE,
    boolean,
    choice,
    hash_of,
    integer,
    list_of,
    merged_metadata,
    metadata,
    number,
    text,
)
from sandbox.stripe.store import Body, Transaction


def create_coupon(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/coupons"""
    if ("percent_off" in given) == ("amount_off" in given):
        raise StripeError(
            "You must pass either percent_off or amount_off.", code="parameter_missing"
        )
    if "amount_off" in given and "currency" not in given:
        raise StripeError(
            "You must pass currency when passing amount_off.",
            code="parameter_missing",
            param="currency",
        )
    if (given.get("duration") == "repeating") != ("duration_in_months" in given):
        raise StripeError(
            "duration_in_months must be given if, and only if, duration is repeating.",
            param="duration_in_months",
        )
    if given.get("redeem_by", tx.now + 1) <= tx.now:
        raise StripeError("redeem_by must be in the future.", param="redeem_by")
    if "id" in given and tx.record(given["id"]) is not None:
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    coupon = tx.insert(shapes.coupon(tx, given))
    discounting.watch_coupon(tx, coupon)
    return coupon


def create_code(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/promotion_codes"""
    where = "promotion[coupon]"
    coupon = tx.get("coupon", given["promotion"]["coupon"], param=where)
    if not coupon["valid"]:
        raise StripeError(f"Coupon {coupon['id']} is expired.", code="coupon_expired", param=where)
    if "customer" in given:
        tx.get("customer", given["customer"], param="customer")
    if given.get("expires_at", tx.now + 1) <= tx.now:
        raise StripeError("expires_at must be in the future.", param="expires_at")
    if "code" in given and _living(tx, given["code"]):
        raise StripeError(
            "An active promotion code with `code: " + given["code"] + "` already exists.",
            code="resource_already_exists",
            param="code",
        )
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    code = tx.insert(shapes.promotion_code(tx, given, coupon["id"]))
    discounting.watch_code(tx, code)
    return code


def update_code(tx: Transaction, given: Given, which: str) -> Body:
    """POST /v1/promotion_codes/{id}"""
    code = tx.get("promotion_code", which)
    if given.get("active") and not tx.get("coupon", code["promotion"]["coupon"])["valid"]:
        raise StripeError("The coupon of this promotion code is not valid.", param="active")
    if "metadata" in given:
        given["metadata"] = merged_metadata(code["metadata"], given["metadata"])
    tx.change(code, **given)
    return code


def list_codes(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/promotion_codes"""
    wanted: list[tuple[str, list[Any]]] = []
    if "coupon" in given:
        wanted.append((matching("promotion.coupon"), [given["coupon"]]))
    if "code" in given:
        wanted.append(("lower(json_extract(body, '$.code')) = ?", [given["code"].lower()]))
    filters = ("active", "customer")
    return page(tx, "promotion_code", "/v1/promotion_codes", given, *wanted, filters=filters)


def _living(tx: Transaction, code: str) -> bool:
    condition = "lower(json_extract(body, '$.code')) = ? AND json_extract(body, '$.active') = 1"
    return bool(tx.select("promotion_code", condition, [code.lower()]))


OPERATIONS = (
    Operation(
        "POST",
        "/v1/coupons",
        create_coupon,
        {
            "amount_off": integer(1),
            "applies_to": hash_of({"products": list_of(text())}),
            "currency": text(3),
            "duration": choice("forever", "once", "repeating"),
            "duration_in_months": integer(1, 36),
            "id": text(200),
            "max_redemptions": integer(1),
            "metadata": metadata,
            "name": text(40),
            "percent_off": number(0, 100),
            "redeem_by": integer(),
        },
    ),
    Operation("GET", "/v1/coupons/{id}", lambda tx, _, which: tx.get("coupon", which)),
    Operation(
        "POST",
        "/v1/promotion_codes",
        create_code,
        {
            "active": boolean,
            "code": text(500),
            "customer": text(),
            "expires_at": integer(),
            "max_redemptions": integer(1),
            "metadata": metadata,
            "promotion": hash_of({"coupon": text(), "type": choice("coupon")}, ("coupon", "type")),
            "restrictions": hash_of(
                {
                    "first_time_transaction": boolean,
                    "minimum_amount": integer(1),
                    "minimum_amount_currency": text(3),
                }
            ),
        },
        ("promotion",),
    ),
    Operation(
        "GET",
        "/v1/promotion_codes",
        list_codes,
        {
            **PAGE,
            "active": boolean,
            "code": text(),
            "coupon": text(),
            "created": CREATED,
            "customer": text(),
        },
    ),
    Operation(
        "GET", "/v1/promotion_codes/{id}", lambda tx, _, which: tx.get("promotion_code", which)
    ),
    Operation(
        "POST",
        "/v1/promotion_codes/{id}",
        update_code,
        {"active": boolean, "metadata": metadata},
    ),
)
