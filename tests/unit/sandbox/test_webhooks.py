"""Webhooks: signed, retried, surviving; and what a test may do to them."""

import json
import time
from typing import Any

import pytest
import requests
import stripe

from tests.sandbox_server import SandboxServer, running_sandbox
from tests.unit.sandbox.conftest import (
    SECRET,
    Client,
    Receiver,
    SandboxClock,
    Shop,
    client_of,
    until,
)


def control(sandbox: SandboxServer, what: str, method: str = "POST", **form: str) -> Any:
    answer = requests.request(method, f"{sandbox.url}/sandbox/stripe/{what}", data=form, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_event_arrives_signed_by_the_wall_clock(
    client: Client, receiver: Receiver, sandbox_clock: SandboxClock
):
    sandbox_clock.advance(days=40)
    customer = client.v1.customers.create()
    until(lambda: receiver.heard)
    body, signature = receiver.heard[0]
    event = client.construct_event(body, signature, SECRET)
    assert (event.type, event.data.object["id"]) == ("customer.created", customer.id)
    assert event.created >= time.time() + 39 * 86400
    assert (event.request.id, event.api_version) == (
        customer.last_response.request_id,
        "2026-10-28.endive",
    )
    assert event.request.idempotency_key
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(body, signature, "whsec_another")
    with pytest.raises(stripe.SignatureVerificationError):
        client.construct_event(body + b" ", signature, SECRET)


def test_everything_is_delivered_once_when_all_is_well(
    shop: Shop, client: Client, receiver: Receiver
):
    shop.subscribe()
    made = {event.id for event in client.v1.events.list({"limit": 100}).data}
    until(lambda: not client.v1.events.list({"delivery_success": False}).data)
    heard = [event["id"] for event in receiver.events]
    assert sorted(heard) == sorted(made)
    assert {e.pending_webhooks for e in client.v1.events.list({"limit": 100}).data} == {0}


def test_a_refused_event_comes_again(client: Client, receiver: Receiver):
    receiver.answers = [500, 302]
    client.v1.customers.create()
    until(lambda: len(receiver.heard) == 1)
    [event] = client.v1.events.list({"delivery_success": False}).data
    assert event.pending_webhooks == 1
    until(lambda: len(receiver.heard) == 3)
    assert {e["id"] for e in receiver.events} == {event.id}
    until(lambda: client.v1.events.list({"delivery_success": True}).data)


def test_the_sandboxs_clock_hastens_a_retry_and_ends_it(
    client: Client, receiver: Receiver, sandbox_clock: SandboxClock
):
    receiver.answers = [500] * 100
    client.v1.customers.create()
    until(lambda: len(receiver.heard) >= 2)
    for _ in range(2):
        receiver.heard.clear()
        sandbox_clock.advance(days=2)
        until(lambda: receiver.heard)
    # Four days on, the attempt that failed was the last.
    until(lambda: not client.v1.events.list().data[0].pending_webhooks)
    assert len(client.v1.events.list({"delivery_success": False}).data) == 1


def test_what_is_not_delivered_survives_a_restart(tmp_path, sandbox_clock, receiver: Receiver):
    data = tmp_path / "kept"
    dead = "http://127.0.0.1:9/webhook/"
    with (
        running_sandbox(
            data, clock_file=sandbox_clock.path, webhook_url=dead, webhook_secret=SECRET
        ) as first,
        client_of(first) as client,
    ):
        shop = Shop(client)
        shop.subscribe()
    with (
        running_sandbox(
            data, clock_file=sandbox_clock.path, webhook_url=receiver.url, webhook_secret=SECRET
        ) as second,
        client_of(second) as client,
    ):
        assert len(client.v1.subscriptions.list({"customer": shop.customer.id}).data) == 1
        # The same endpoint has another address now; there is still one, not two.
        [endpoint] = client.v1.webhook_endpoints.list().data
        assert endpoint.url == receiver.url
        sandbox_clock.advance(hours=1)
        until(lambda: "checkout.session.completed" in receiver.types)


def test_an_endpoint_hears_what_it_asked_for_until_it_is_gone(client: Client, receiver: Receiver):
    [from_environment] = client.v1.webhook_endpoints.list().data
    client.v1.webhook_endpoints.delete(from_environment.id)
    endpoint = client.v1.webhook_endpoints.create(
        {"url": receiver.url, "enabled_events": ["product.created"]}
    )
    assert endpoint.secret.startswith("whsec_")
    [listed] = client.v1.webhook_endpoints.list().data
    assert "secret" not in listed
    client.v1.customers.create()
    client.v1.products.create({"name": "P"})
    until(lambda: receiver.heard)
    body, signature = receiver.heard[0]
    assert client.construct_event(body, signature, endpoint.secret).type == "product.created"
    assert client.v1.webhook_endpoints.delete(endpoint.id).deleted
    client.v1.products.create({"name": "Q"})
    assert client.v1.events.list().data[0].pending_webhooks == 0


def test_held_events_come_in_any_order_and_twice(
    sandbox: SandboxServer, client: Client, receiver: Receiver
):
    control(sandbox, "webhooks/hold")
    for name in ("a", "b", "c"):
        client.v1.products.create({"name": name})

    def names() -> list[str]:
        heard = [event["data"]["object"]["name"] for event in receiver.events]
        receiver.heard.clear()
        return heard

    receiver.answers = [500] * 6
    attempts = control(sandbox, "webhooks/deliver", times="2")["attempts"]
    assert [attempt["status"] for attempt in attempts] == [500] * 6
    assert names() == ["a", "b", "c", "a", "b", "c"]
    control(sandbox, "webhooks/deliver", order="shuffled", times="3", seed="1")
    shuffled = names()
    assert sorted(shuffled) == ["a", "a", "a", "b", "b", "b", "c", "c", "c"]
    assert shuffled != sorted(shuffled)
    client.v1.products.create({"name": "d"})
    client.v1.products.create({"name": "e"})
    control(sandbox, "webhooks/deliver", order="reversed")
    assert names() == ["e", "d"]
    client.v1.products.create({"name": "lost"})
    assert control(sandbox, "webhooks/drop") == {"dropped": 1}
    client.v1.products.create({"name": "f"})
    control(sandbox, "webhooks/resume")
    until(lambda: receiver.heard)
    assert names() == ["f"]
    [lost] = client.v1.events.list({"delivery_success": False}).data
    assert lost.data.object["name"] == "lost"


def test_an_event_is_written_with_its_effect_or_not_at_all(sandbox: SandboxServer, client: Client):
    from sandbox.stripe.events import emit

    world = sandbox.running.app.extensions["world"]
    customer = client.v1.customers.create()

    def rename_and_fail() -> None:
        with world.store.writing() as tx:
            body = tx.get("customer", customer.id)
            emit(tx, "customer.updated", body, tx.change(body, name="Nobody"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rename_and_fail()
    assert client.v1.customers.retrieve(customer.id).name is None
    assert client.v1.events.list({"type": "customer.updated"}).data == []


def test_a_delivered_body_is_the_event_that_the_api_shows(client: Client, receiver: Receiver):
    client.v1.customers.create({"name": "Ünïcode"})
    until(lambda: receiver.heard)
    heard = json.loads(receiver.heard[0][0])
    shown = client.v1.events.retrieve(heard["id"]).to_dict()
    assert {**heard, "pending_webhooks": 0} == {**shown, "pending_webhooks": 0}
