"""Products and prices."""

from sandbox.stripe.errors import StripeError
from sandbox.stripe.events import emit
from sandbox.stripe.lists import one_of, page
from sandbox.stripe.objects import catalog
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
    text,
)
from sandbox.stripe.store import Body, Transaction

_CURRENCIES = ("usd", "eur", "gbp", "cad", "aud", "chf", "nzd", "sek", "nok", "dkk")


def create_product(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/products"""
    if "id" in given and tx.record(given["id"]) is not None:
        raise StripeError("Product already exists.", code="resource_already_exists", param="id")
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    product = tx.insert(catalog.product(tx, **given))
    emit(tx, "product.created", product)
    return product


def create_price(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/prices"""
    if given["currency"] not in _CURRENCIES:
        raise StripeError(f"Invalid currency: {given['currency']}.", param="currency")
    if "unit_amount" not in given:
        raise StripeError(
            "Missing required param: unit_amount.", code="parameter_missing", param="unit_amount"
        )
    product = tx.get("product", _product_of(tx, given), param="product")
    _free_lookup_key(tx, given)
    price = catalog.price(
        tx,
        product_id=product["id"],
        currency=given["currency"],
        amount=given["unit_amount"],
        **{
            name: given[name]
            for name in ("active", "lookup_key", "nickname", "recurring", "tax_behavior")
            if name in given
        },
        metadata=merged_metadata({}, given.get("metadata")),
    )
    emit(tx, "price.created", tx.insert(price))
    return price


def list_prices(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/prices"""
    wanted = []
    if "lookup_keys" in given:
        keys = given["lookup_keys"]
        wanted.append((one_of("lookup_key", len(keys)), keys))
    filters = ("active", "currency", "product", "type")
    return page(tx, "price", "/v1/prices", given, *wanted, filters=filters)


def _product_of(tx: Transaction, given: Given) -> str:
    if ("product" in given) == ("product_data" in given):
        raise StripeError(
            "You must specify either `product` or `product_data` when creating a price.",
            code="parameter_missing",
            param="product",
        )
    if "product" in given:
        return str(given["product"])
    return str(create_product(tx, given["product_data"], "")["id"])


def _free_lookup_key(tx: Transaction, given: Given) -> None:
    if "lookup_key" not in given:
        return
    holders = tx.select("price", "json_extract(body, '$.lookup_key') = ?", [given["lookup_key"]])
    if holders and not given.get("transfer_lookup_key"):
        raise StripeError(
            f"A price (`{holders[0]['id']}`) already uses that lookup key.",
            code="resource_already_exists",
            param="lookup_key",
        )
    for holder in holders:
        tx.change(holder, lookup_key=None)


_PRODUCT = {
    "active": boolean,
    "description": text(can_be_unset=True),
    "id": text(),
    "marketing_features": list_of(hash_of({"name": text(80)}, ("name",)), 15),
    "metadata": metadata,
    "name": text(),
    "statement_descriptor": text(22),
    "tax_code": text(),
    "unit_label": text(12),
    "url": text(),
}

OPERATIONS = (
    Operation("POST", "/v1/products", create_product, _PRODUCT, ("name",)),
    Operation("GET", "/v1/products/{id}", lambda tx, _, which: tx.get("product", which)),
    Operation(
        "POST",
        "/v1/prices",
        create_price,
        {
            "active": boolean,
            "billing_scheme": choice("per_unit"),
            "currency": text(),
            "lookup_key": text(200),
            "metadata": metadata,
            "nickname": text(),
            "product": text(),
            "product_data": hash_of(
                {name: _PRODUCT[name] for name in ("active", "id", "metadata", "name", "tax_code")},
                ("name",),
            ),
            "recurring": hash_of(
                {
                    "interval": choice("day", "week", "month", "year"),
                    "interval_count": integer(1, 36),
                    "usage_type": choice("licensed"),
                },
                ("interval",),
            ),
            "tax_behavior": choice("exclusive", "inclusive", "unspecified"),
            "transfer_lookup_key": boolean,
            "unit_amount": integer(0, 99_999_999),
        },
        ("currency",),
    ),
    Operation(
        "GET",
        "/v1/prices",
        list_prices,
        {
            **PAGE,
            "active": boolean,
            "created": CREATED,
            "currency": text(),
            "lookup_keys": list_of(text(200), 10),
            "product": text(),
            "type": choice("one_time", "recurring"),
        },
    ),
    Operation("GET", "/v1/prices/{id}", lambda tx, _, which: tx.get("price", which)),
)
