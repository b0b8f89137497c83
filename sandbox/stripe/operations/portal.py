"""The customer portal's configurations and sessions."""

from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import matching, page
from sandbox.stripe.objects import portal as shapes
from sandbox.stripe.operation import Given, Operation
from sandbox.stripe.params import (
    PAGE,
    boolean,
    choice,
    hash_of,
    list_of,
    merged_metadata,
    metadata,
    text,
)
from sandbox.stripe.store import Body, Transaction

_KIND = "billing_portal.configuration"
# What the dashboard's first configuration allows.
_DEFAULT = {
    "features": {
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True},
    }
}


def create_configuration(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/billing_portal/configurations"""
    given["metadata"] = merged_metadata({}, given.get("metadata"))
    return tx.insert(shapes.configuration(tx, given, is_default=False))


def create_session(tx: Transaction, given: Given, _: str) -> Body:
    """POST /v1/billing_portal/sessions"""
    if "customer" not in given:
        raise StripeError(
            "Missing required param: customer.", code="parameter_missing", param="customer"
        )
    customer = tx.get("customer", given["customer"], param="customer")
    flow = given.get("flow_data", {})
    if flow.get("type", "payment_method_update") != "payment_method_update":
        _check_flow(tx, flow, customer)
    if "configuration" in given:
        chosen = tx.get(_KIND, given["configuration"], param="configuration")
    else:
        chosen = _default(tx)
    made = shapes.session(tx, customer=customer["id"], configuration=chosen["id"], given=given)
    return tx.insert(made)


def _check_flow(tx: Transaction, flow: Given, customer: Body) -> None:
    where = f"flow_data[{flow['type']}][subscription]"
    named = flow.get(flow["type"], {}).get("subscription")
    if named is None:
        raise StripeError(
            f"Missing required param: {where}.", code="parameter_missing", param=where
        )
    if tx.get("subscription", named, param=where)["customer"] != customer["id"]:
        raise StripeError("The subscription belongs to another customer.", param=where)


def _default(tx: Transaction) -> Body:
    for known in tx.select(_KIND, matching("is_default"), [True]):
        return known
    return tx.insert(shapes.configuration(tx, _DEFAULT, is_default=True))


_ON = {"enabled": boolean}
_SUBSCRIPTION = hash_of({"subscription": text()}, ("subscription",))

_FEATURES = hash_of(
    {
        "customer_update": hash_of(
            {
                **_ON,
                "allowed_updates": list_of(
                    choice("address", "email", "name", "phone", "shipping", "tax_id")
                ),
            },
            ("enabled",),
        ),
        "invoice_history": hash_of(_ON, ("enabled",)),
        "payment_method_update": hash_of(_ON, ("enabled",)),
        "subscription_cancel": hash_of(
            {
                **_ON,
                "cancellation_reason": hash_of({**_ON, "options": list_of(text())}),
                "mode": choice("at_period_end", "immediately"),
                "proration_behavior": choice("none"),
            },
            ("enabled",),
        ),
        "subscription_pause": hash_of(_ON, ("enabled",)),
        "subscription_update": hash_of({"enabled": choice("false")}),
    }
)

OPERATIONS = (
    Operation(
        "POST",
        "/v1/billing_portal/configurations",
        create_configuration,
        {
            "business_profile": hash_of(
                {
                    "headline": text(60, can_be_unset=True),
                    "privacy_policy_url": text(),
                    "terms_of_service_url": text(),
                }
            ),
            "default_return_url": text(can_be_unset=True),
            "features": _FEATURES,
            "metadata": metadata,
            "name": text(can_be_unset=True),
        },
        ("features",),
    ),
    Operation(
        "GET",
        "/v1/billing_portal/configurations",
        lambda tx, given, _: page(
            tx,
            _KIND,
            "/v1/billing_portal/configurations",
            given,
            filters=("active", "is_default"),
        ),
        {**PAGE, "active": boolean, "is_default": boolean},
    ),
    Operation(
        "POST",
        "/v1/billing_portal/sessions",
        create_session,
        {
            "configuration": text(),
            "customer": text(),
            "flow_data": hash_of(
                {
                    "after_completion": hash_of(
                        {
                            "hosted_confirmation": hash_of({"custom_message": text(500)}),
                            "redirect": hash_of({"return_url": text()}, ("return_url",)),
                            "type": choice("hosted_confirmation", "portal_homepage", "redirect"),
                        },
                        ("type",),
                    ),
                    "subscription_cancel": _SUBSCRIPTION,
                    "subscription_pause": _SUBSCRIPTION,
                    "type": choice(
                        "payment_method_update", "subscription_cancel", "subscription_pause"
                    ),
                },
                ("type",),
            ),
            "locale": text(),
            "return_url": text(),
        },
    ),
)
