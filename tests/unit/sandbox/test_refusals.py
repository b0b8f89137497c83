"""What the sandbox refuses, in Stripe's own form, types and codes."""

from typing import Any

import pytest
import requests
import stripe

from tests.contract.recorded import contract
from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Shop, client_of

PRICE = {"currency": "usd", "unit_amount": "1000", "product_data[name]": "P"}


def call(
    server: SandboxServer, method: str, path: str, form=None, key="sk_test_x", **headers
) -> tuple[int, dict[str, Any]]:
    """A raw call; its answer must have the shape of a Stripe error."""
    answer = requests.request(
        method,
        server.url + path,
        data=form,
        headers={"Authorization": f"Bearer {key}", **headers} if key else headers,
        timeout=10,
    )
    body = answer.json()
    assert contract().object("error", body, strict=True) == []
    assert answer.headers["Request-Id"].startswith("req_")
    return answer.status_code, body["error"]


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("/v1/products", {"name": "P", "colour": "red"}, "parameter_unknown", "colour"),
        ("/v1/products", {}, "parameter_missing", "name"),
        ("/v1/products", {"name": ""}, "parameter_invalid_empty", "name"),
        ("/v1/products", {"name": "P", "active": "perhaps"}, None, "active"),
        ("/v1/products", {"name[x]": "P"}, None, "name"),
        ("/v1/prices", {**PRICE, "unit_amount": "ten"}, "parameter_invalid_integer", "unit_amount"),
        ("/v1/prices", {**PRICE, "unit_amount": "-1"}, "parameter_invalid_integer", "unit_amount"),
        ("/v1/prices", {**PRICE, "currency": "xxx"}, None, "currency"),
        ("/v1/prices", {**PRICE, "recurring[interval]": "fortnight"}, None, "recurring[interval]"),
        ("/v1/prices", {**PRICE, "recurring[x]": "1"}, "parameter_unknown", "recurring[x]"),
        ("/v1/prices", {"currency": "usd", "unit_amount": "1"}, "parameter_missing", "product"),
        (
            "/v1/prices",
            {"currency": "usd", "unit_amount": "1", "product": "prod_no"},
            "resource_missing",
            "product",
        ),
        ("/v1/customers", {"metadata[" + "k" * 41 + "]": "v"}, None, "metadata[" + "k" * 41 + "]"),
        ("/v1/customers", {"metadata[k]": "v" * 501}, None, "metadata[k]"),
        ("/v1/customers", {f"metadata[{n}]": "v" for n in range(51)}, None, "metadata"),
        ("/v1/customers", {"email": "e" * 513}, None, "email"),
        ("/v1/refunds", {}, "parameter_missing", None),
        ("/v1/refunds", {"charge": "ch_no"}, "resource_missing", "charge"),
        ("/v1/webhook_endpoints", {"url": "x", "enabled_events[0]": "*"}, "url_invalid", "url"),
    ],
)
def test_a_bad_parameter_is_named(unrecorded: SandboxServer, path, form, code, param):
    status, error = call(unrecorded, "POST", path, form)
    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert (error.get("code"), error.get("param")) == (code, param)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"expires_at": 100}, "expires_at"),
        ({"subscription_data": {"trial_end": 100}}, "subscription_data[trial_end]"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"customer_email": "a@b.test"}, "customer_email"),
        ({"customer": "cus_no"}, "customer"),
        ({"line_items": [{"price": "price_no"}]}, "line_items[0][price]"),
        ({"line_items": [{"price": "price_no", "quantity": 0}]}, "line_items[0][quantity]"),
        ({"mode": "payment"}, "mode"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
    ],
)
def test_a_bad_session_is_not_made(unrecorded: SandboxServer, change, param):
    with client_of(unrecorded) as client:
        shop = Shop(client)
        with pytest.raises(stripe.InvalidRequestError) as refused:
            shop.checkout(**change)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "path",
    [
        "products/prod_no",
        "prices/price_no",
        "customers/cus_no",
        "checkout/sessions/cs_no",
        "checkout/sessions/cs_no/line_items",
        "subscriptions/sub_no",
        "invoices/in_no",
        "payment_intents/pi_no",
        "charges/ch_no",
        "payment_methods/pm_no",
        "events/evt_no",
        "customers?starting_after=cus_no",
    ],
)
def test_what_is_not_there_is_missing(unrecorded: SandboxServer, path):
    status, error = call(unrecorded, "GET", f"/v1/{path}")
    assert error["code"] == "resource_missing"
    assert status == (400 if "?" in path else 404)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("", "did not provide an API key"),
        ("sk_live_abcdefgh", "LIVE secret key"),
        ("pk_test_abc", "Invalid API Key"),
    ],
)
def test_a_bad_key_is_refused(unrecorded: SandboxServer, key, words):
    status, error = call(unrecorded, "GET", "/v1/products", key=key)
    assert status == 401
    assert words in error["message"]
    assert "abcdefgh" not in error["message"]


def test_an_unknown_address_and_an_unknown_method(unrecorded: SandboxServer):
    assert call(unrecorded, "GET", "/v1/nothing")[0] == 404
    assert call(unrecorded, "DELETE", "/v1/products")[0] == 404
    assert call(unrecorded, "POST", "/v1/subscription_schedules")[0] == 404


def test_another_api_version_is_refused(unrecorded: SandboxServer):
    headers = {"Stripe-Version": "2017-08-15"}
    status, error = call(unrecorded, "GET", "/v1/products", None, "sk_test_x", **headers)
    assert status == 400
    assert "2026-10-28.endive" in error["message"]


def test_what_cannot_be_expanded(unrecorded: SandboxServer):
    with client_of(unrecorded) as client:
        customer = client.v1.customers.create()
        for path in ("colour", "metadata.colour", "a.b.c.d.e"):
            with pytest.raises(stripe.InvalidRequestError) as refused:
                client.v1.customers.retrieve(customer.id, {"expand": [path]})
            assert refused.value.http_status == 400


def test_a_key_may_come_as_the_user_of_basic_authentication(unrecorded: SandboxServer):
    answer = requests.get(f"{unrecorded.url}/v1/customers", auth=("sk_test_x", ""), timeout=10)
    assert answer.status_code == 200
