"""The sandbox accepts nothing that Stripe does not, and the check of the records has teeth."""

import json

import pytest

from sandbox.stripe import operations
from tests.contract import recorded
from tests.contract.recorded import contract
from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import Client, Shop, until


@pytest.mark.parametrize(
    "operation", operations.ALL, ids=lambda operation: f"{operation.method} {operation.path}"
)
def test_an_operation_accepts_only_what_stripes_accepts(operation):
    template, described = contract().find(operation.method, operation.path.replace("{id}", "x"))
    assert template == operation.path
    if operation.method == "GET":
        known = {p["name"] for p in described["parameters"] if p["in"] == "query"}
    else:
        content = described.get("requestBody", {}).get("content", {})
        form = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
        known = set(form.get("properties", {}))
        assert set(form.get("required", [])) <= set(operation.required)
    assert set(operation.fields) <= known


def test_no_operation_is_there_twice():
    named = [(operation.method, operation.path) for operation in operations.ALL]
    assert len(named) == len(set(named))


def test_everything_that_a_session_accepts_is_stripes(shop: Shop, client: Client):
    now = shop.customer.created
    message = {"message": "Thank you"}
    params = {
        "allow_promotion_codes": True,
        "automatic_tax": {"enabled": True},
        "billing_address_collection": "auto",
        "cancel_url": "https://demo.test/no/",
        "client_reference_id": "seat",
        "custom_text": {"after_submit": message, "submit": message},
        "customer": shop.customer.id,
        "customer_update": {"address": "auto", "name": "auto", "shipping": "never"},
        "expires_at": now + 7200,
        "line_items": [{"price": shop.monthly.id, "quantity": 2}],
        "locale": "de",
        "metadata": {"a": "1"},
        "mode": "subscription",
        "origin_context": "web",
        "payment_method_collection": "always",
        "submit_type": "subscribe",
        "subscription_data": {
            "billing_mode": {"type": "flexible"},
            "description": "Premium",
            "metadata": {"b": "2"},
            "trial_period_days": 30,
        },
        "success_url": "https://demo.test/yes/",
        "ui_mode": "hosted_page",
    }
    [operation] = [
        one for one in operations.ALL if (one.method, one.path) == ("POST", "/v1/checkout/sessions")
    ]
    assert set(operation.accepts) - set(params) == {"customer_email", "discounts"}
    session = client.v1.checkout.sessions.create(params)
    assert session.automatic_tax.enabled
    assert session.custom_text.submit.message == "Thank you"
    assert session.expires_at == now + 7200


def test_a_record_counts_what_it_holds(shop: Shop, client: Client, sandbox: SandboxServer):
    shop.subscribe()
    client.v1.products.retrieve(shop.product.id)
    report = recorded.check(sandbox.data_dir.parent / "records")
    assert report.findings == []
    assert report.exchanges == 6
    assert {("POST", "/v1/customers"), ("GET", "/v1/products/{id}")} <= report.operations
    assert ("GET", "/v1/events") not in report.operations


def _extra_field(record: dict) -> None:
    record["response"]["colour"] = "red"


def _missing_field(record: dict) -> None:
    del record["response"]["email"]


def _wrong_type(record: dict) -> None:
    record["response"]["created"] = "yesterday"


def _unknown_parameter(record: dict) -> None:
    record["form"] += "&colour=red"


def _unknown_address(record: dict) -> None:
    record["url"] = "/v1/colours"


def _event_of_no_type(record: dict) -> None:
    record["event"]["type"] = "colour.created"


def _event_with_extra_field(record: dict) -> None:
    record["event"]["data"]["object"]["colour"] = "red"


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (_extra_field, "extra"),
        (_missing_field, "missing"),
        (_wrong_type, "type"),
        (_unknown_parameter, "unknown-param"),
        (_unknown_address, "unknown-path"),
        (_event_of_no_type, "enum"),
        (_event_with_extra_field, "extra"),
    ],
)
def test_a_planted_fault_is_found(
    client: Client, sandbox: SandboxServer, receiver, tmp_path, plant, kind
):

    client.v1.customers.create({"email": "owner@demo.test"})
    until(lambda: receiver.heard)
    lines = (tmp_path / "records" / "sandbox.jsonl").read_text().splitlines()
    wanted = "event" if plant.__name__.startswith("_event") else "method"
    record = next(record for record in map(json.loads, lines) if wanted in record)
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "sound.jsonl").write_text(json.dumps(record) + "\n")
    assert recorded.check(folder).findings == []
    plant(record)
    (folder / "faulty.jsonl").write_text(json.dumps(record) + "\n")
    findings = recorded.check(folder).findings
    assert findings
    assert all(finding.startswith("faulty.jsonl:1: ") for finding in findings)
    assert all(f": {kind} " in finding for finding in findings)


def test_a_broken_line_is_a_finding(tmp_path):
    (tmp_path / "torn.jsonl").write_text('{"method": "GE\n')
    assert recorded.check(tmp_path).findings == ["torn.jsonl:1: not a line of JSON"]
