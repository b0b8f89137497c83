"""Checkout Sessions."""

from sandbox.stripe.effects import checkout
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import matching, page, page_of
from sandbox.stripe.objects import session as shapes
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

# fmt: off
_LOCALES = (
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr",
    "fr-CA", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt",
    "pt-BR", "ro", "ru", "sk", "sl", "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
)
# fmt: on


def create(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/checkout/sessions"""
    _check(tx, given)
    customer = (
        tx.get("customer", given["customer"], param="customer") if "customer" in given else None
    )
    data = given.setdefault("subscription_data", {})
    data["metadata"] = merged_metadata({}, data.get("metadata"))
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    on_trial = "trial_end" in data or "trial_period_days" in data
    items = [
        _item(tx, sold, number, on_trial=on_trial)
        for number, sold in enumerate(given["line_items"])
    ]
    if len({item["currency"] for item in items}) > 1:
        raise StripeError("All line items must have the same currency.", param="line_items")
    session = shapes.session(tx, items=items, customer=customer, given=given)
    return checkout.open_session(tx, session, items, given)


def expire(tx: Transaction, _: Given, which: str) -> Body:
    """POST /v1/checkout/sessions/{id}/expire"""
    session = tx.get("checkout.session", which)
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of `{session['status']}`."
        )
    checkout.expire(tx, which)
    return tx.get("checkout.session", which)


def list_sessions(tx: Transaction, given: Given, _: str) -> Body:
    """GET /v1/checkout/sessions"""
    wanted = []
    if "customer_details" in given:
        wanted.append((matching("customer_details.email"), [given["customer_details"]["email"]]))
    filters = ("customer", "payment_intent", "status", "subscription")
    url = "/v1/checkout/sessions"
    return page(tx, "checkout.session", url, given, *wanted, filters=filters)


def line_items(tx: Transaction, given: Given, which: str) -> Body:
    """GET /v1/checkout/sessions/{id}/line_items"""
    tx.get("checkout.session", which)
    url = f"/v1/checkout/sessions/{which}/line_items"
    return page_of(tx.private(which)["line_items"], url, given)


def _check(tx: Transaction, given: Given) -> None:
    if "discounts" in given and "allow_promotion_codes" in given:
        raise StripeError(
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
            param="discounts",
        )
    if "customer_update" in given and "customer" not in given:
        raise StripeError(
            "`customer_update` can only be used with `customer`.", param="customer_update"
        )
    if "customer" in given and "customer_email" in given:
        raise StripeError(
            "You may only specify one of these parameters: customer, customer_email.",
            param="customer_email",
        )
    for url in ("success_url", "cancel_url"):
        if url in given and not given[url].startswith(("http://", "https://")):
            raise StripeError("Not a valid URL", code="url_invalid", param=url)
    expires_in = given.get("expires_at", tx.now + 3600) - tx.now
    if not 1800 <= expires_in <= 86400:
        words = "at least 30 minutes" if expires_in < 1800 else "less than 24 hours"
        raise StripeError(
            f"The `expires_at` timestamp must be {words} from Checkout Session creation.",
            param="expires_at",
        )
    trial_end = given.get("subscription_data", {}).get("trial_end")
    if trial_end is not None and trial_end < tx.now + 48 * 3600:
        raise StripeError(
            "The `trial_end` date has to be at least 2 days in the future.",
            param="subscription_data[trial_end]",
        )


def _item(tx: Transaction, sold: Given, number: int, *, on_trial: bool) -> Body:
    where = f"line_items[{number}][price]"
    price = tx.get("price", sold["price"], param=where)
    if not price["active"]:
        raise StripeError("The price specified is inactive.", param=where)
    if price["recurring"] is None:
        raise StripeError(
            "You must provide at least one recurring price in `subscription` mode, and this "
            "sandbox sells recurring prices only.",
            param=where,
        )
    quantity = sold.get("quantity", 1)
    return shapes.item(
        price,
        description=tx.get("product", price["product"])["name"],
        quantity=quantity,
        total=0 if on_trial else price["unit_amount"] * quantity,
    )


_MESSAGE = hash_of({"message": text(1200)}, ("message",))

_CREATE = {
    "allow_promotion_codes": boolean,
    "automatic_tax": hash_of({"enabled": boolean}, ("enabled",)),
    "billing_address_collection": choice("auto", "required"),
    "cancel_url": text(),
    "client_reference_id": text(200),
    "custom_text": hash_of({"after_submit": _MESSAGE, "submit": _MESSAGE}),
    "customer": text(),
    "customer_email": text(800),
    "customer_update": hash_of(
        {part: choice("auto", "never") for part in ("address", "name", "shipping")}
    ),
    "discounts": list_of(hash_of({"coupon": text(), "promotion_code": text()}), 1),
    "expires_at": integer(),
    "line_items": list_of(
        hash_of({"price": text(), "quantity": integer(1, 999_999)}, ("price",)), 20
    ),
    "locale": choice(*_LOCALES),
    "metadata": metadata,
    "mode": choice("subscription"),
    "origin_context": choice("mobile_app", "web"),
    "payment_method_collection": choice("always"),
    "submit_type": choice("auto", "subscribe"),
    "subscription_data": hash_of(
        {
            "billing_mode": hash_of({"type": choice("flexible")}, ("type",)),
            "description": text(500),
            "metadata": metadata,
            "trial_end": integer(),
            "trial_period_days": integer(1, 730),
        }
    ),
    "success_url": text(),
    "ui_mode": choice("hosted_page"),
}

OPERATIONS = (
    Operation(
        "POST", "/v1/checkout/sessions", create, _CREATE, ("mode", "line_items", "success_url")
    ),
    Operation(
        "GET",
        "/v1/checkout/sessions",
        list_sessions,
        {
            **PAGE,
            "created": CREATED,
            "customer": text(),
            "customer_details": hash_of({"email": text(800)}, ("email",)),
            "payment_intent": text(),
            "status": choice("open", "complete", "expired"),
            "subscription": text(),
        },
    ),
    Operation(
        "GET", "/v1/checkout/sessions/{id}", lambda tx, _, which: tx.get("checkout.session", which)
    ),
    Operation("POST", "/v1/checkout/sessions/{id}/expire", expire),
    Operation("GET", "/v1/checkout/sessions/{id}/line_items", line_items, PAGE),
)
