"""What a test may choose: which events come, by which secret, in which version, and to whom."""

import json
import threading
from pathlib import Path

import pytest
import requests
import stripe

from sandbox.app import create_app
from sandbox.config import Config
from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import SECRET, Client, Receiver, SandboxClock, until
from tests.unit.sandbox.test_webhooks import control


def names(receiver: Receiver) -> list[str]:
    """Of the products that were heard of since the last question."""
    heard = [event["data"]["object"]["name"] for event in receiver.events]
    receiver.heard.clear()
    return heard


@pytest.fixture
def three(sandbox: SandboxServer, client: Client) -> list[str]:
    """Three events that wait: of the products a, b and c."""
    control(sandbox, "webhooks/hold")
    for name in ("a", "b", "c"):
        client.v1.products.create({"name": name})
    return [each["id"] for each in control(sandbox, "webhooks", "GET")["data"]]


def test_what_waits_is_listed(sandbox: SandboxServer, client: Client, three: list[str]):
    waiting = control(sandbox, "webhooks", "GET")["data"]
    assert [each["type"] for each in waiting] == ["product.created"] * 3
    shown = [event.id for event in reversed(client.v1.events.list().data)]
    assert [each["id"] for each in waiting] == shown
    assert all(each["created"] for each in waiting)
    control(sandbox, "webhooks/deliver")
    assert control(sandbox, "webhooks", "GET")["data"] == []


def test_chosen_events_come_in_the_order_asked_for(
    sandbox: SandboxServer, client: Client, receiver: Receiver, three: list[str]
):
    a, b, c = three
    control(sandbox, "webhooks/deliver", events=f"{b},{a},{b}")
    assert names(receiver) == ["b", "a", "b"]
    client.v1.customers.create()
    control(sandbox, "webhooks/deliver", events="customer.created,product.created", times="2")
    assert receiver.types == ["customer.created", "product.created"] * 2
    receiver.heard.clear()
    control(sandbox, "webhooks/deliver", events=f"{c}")
    assert names(receiver) == ["c"]


def test_a_dropped_event_stays_dropped_until_it_is_sent_again(
    sandbox: SandboxServer, client: Client, receiver: Receiver, three: list[str]
):
    a, b, _ = three
    assert control(sandbox, "webhooks/drop", events=f"{a},{b}") == {"dropped": 2}
    control(sandbox, "webhooks/deliver")
    assert names(receiver) == ["c"]
    receiver.answers = [500]
    control(sandbox, "webhooks/deliver", events=a)
    assert names(receiver) == ["a"]
    assert control(sandbox, "webhooks", "GET")["data"] == []
    assert len(client.v1.events.list({"delivery_success": False}).data) == 2
    control(sandbox, "webhooks/deliver", events=a)
    [lost] = client.v1.events.list({"delivery_success": False}).data
    assert lost.id == b


def test_two_secrets_sign_while_one_is_rolled(
    sandbox: SandboxServer, client: Client, receiver: Receiver
):
    def heard_with(secret: str) -> bool:
        try:
            client.construct_event(*receiver.heard[-1], secret)
        except stripe.SignatureVerificationError:
            return False
        return True

    def make() -> None:
        before = len(receiver.heard)
        client.v1.products.create({"name": "P"})
        until(lambda: len(receiver.heard) > before)

    make()
    [rolled] = control(sandbox, "webhooks/roll", secret="whsec_new").values()
    assert rolled == {"secret": "whsec_new", "old_secret": SECRET}
    assert (heard_with(SECRET), heard_with("whsec_new")) == (True, False)
    make()
    assert (heard_with(SECRET), heard_with("whsec_new")) == (True, True)
    control(sandbox, "webhooks/roll")
    make()
    assert (heard_with(SECRET), heard_with("whsec_new")) == (False, True)


def test_events_may_come_in_another_version(
    sandbox: SandboxServer, client: Client, receiver: Receiver
):
    control(sandbox, "settings", event_api_version="2027-03-31.fuji")
    client.v1.products.create({"name": "P"})
    until(lambda: receiver.heard)
    assert receiver.events[0]["api_version"] == "2027-03-31.fuji"
    assert client.v1.events.list().data[0].api_version == "2027-03-31.fuji"


def test_a_setting_that_there_is_not_is_refused_in_words(sandbox: SandboxServer):
    url = f"{sandbox.url}/sandbox/stripe/settings"
    for form, words in (
        ({"tax": "1"}, "tax is no setting; there are"),
        ({"tax_percent": "120"}, "must be from 0 to 100"),
        ({"portal_cancel": "now"}, "must be at or flag"),
    ):
        answer = requests.post(url, data=form, timeout=10)
        assert (answer.status_code, words in answer.text) == (400, True), answer.text
    assert control(sandbox, "settings", "GET")["tax_percent"] == 0


def test_a_harness_delivers_and_calls_without_a_network(
    tmp_path: Path, sandbox_clock: SandboxClock
):
    sent: list[tuple[str, str, str]] = []

    def send(url: str, body: str, signed: str) -> int:
        sent.append((url, body, signed))
        return 200

    config = Config(
        data_dir=tmp_path / "in-process",
        clock_file=sandbox_clock.path,
        webhook_url="http://in.process/webhook/",
        webhook_secret=SECRET,
    )
    app = create_app(config, send=send)
    with app.test_client() as http:
        made = http.post(
            "/v1/products", data={"name": "P"}, headers={"Authorization": "Bearer sk_test_x"}
        )
        assert made.status_code == 200
        # Nobody started the world's threads: nothing is sent unless it is asked for.
        assert sent == []
        http.post("/sandbox/stripe/webhooks/deliver")
    [(url, body, signed)] = sent
    assert url == "http://in.process/webhook/"
    assert json.loads(body)["data"]["object"]["id"] == made.get_json()["id"]
    assert stripe.Webhook.construct_event(body, signed, SECRET).type == "product.created"
    app.extensions["world"].stop()


def test_more_calls_in_a_second_than_the_limit_are_refused_and_counted(
    sandbox: SandboxServer, client: Client
):
    control(sandbox, "settings", rate_limit="3")
    control(sandbox, "stats", "DELETE")
    refused = 0
    for _ in range(5):
        try:
            client.v1.customers.list()
        except stripe.RateLimitError:
            refused += 1
    assert refused == 2
    # The limit is each operation's own.
    client.v1.products.create({"name": "P"})
    assert control(sandbox, "stats", "GET") == {
        "calls": {"GET /v1/customers": 5, "POST /v1/products": 1},
        "calls_total": 6,
        "refused": {"GET /v1/customers": 2},
        "refused_total": 2,
    }
    control(sandbox, "settings", rate_limit="0")
    for _ in range(5):
        client.v1.customers.list()


def test_an_outage_lasts_until_it_is_cleared(sandbox: SandboxServer, client: Client):
    control(sandbox, "faults", kind="outage")
    for _ in range(3):
        with pytest.raises(stripe.APIError) as away:
            client.v1.customers.create()
        assert away.value.http_status == 503
    control(sandbox, "faults", "DELETE")
    assert client.v1.customers.list().data == []
    client.v1.customers.create()


def paused_call(sandbox: SandboxServer, client: Client) -> tuple[dict, threading.Thread, list]:
    """A call that a pause holds: what is shown of it, its thread, and what came of it."""
    came: list = []

    def call() -> None:
        try:
            came.append(client.v1.customers.create(options={"idempotency_key": "k1"}).id)
        except stripe.APIConnectionError as cut:
            came.append(type(cut))

    thread = threading.Thread(target=call)
    thread.start()
    [shown] = until(lambda: control(sandbox, "paused", "GET")["data"])
    return shown, thread, came


@pytest.mark.parametrize("kind", ["pause", "pause_after"])
@pytest.mark.parametrize("outcome", ["go", "drop"])
def test_a_paused_call_waits_before_or_after_its_effect_until_it_is_let_go(
    sandbox: SandboxServer, client: Client, kind: str, outcome: str
):
    control(sandbox, "faults", kind=kind, method="POST", path="/v1/customers")
    shown, thread, came = paused_call(sandbox, client)
    assert (shown["kind"], shown["method"], shown["key"]) == (kind, "POST", "k1")
    assert shown["port"] > 0
    done = [one.id for one in client.v1.customers.list().data]
    assert len(done) == (kind == "pause_after")
    assert came == []

    assert control(sandbox, f"paused/{shown['id']}", outcome=outcome) == {"let_go": True}
    thread.join(10)

    made = [one.id for one in client.v1.customers.list().data]
    assert len(made) == (outcome == "go" or kind == "pause_after")
    assert came == (made if outcome == "go" else [stripe.APIConnectionError])
    assert control(sandbox, "paused", "GET")["data"] == []
    assert control(sandbox, f"paused/{shown['id']}") == {"let_go": False}


def test_clearing_the_faults_lets_go_what_is_paused(sandbox: SandboxServer, client: Client):
    control(sandbox, "faults", kind="pause")
    _, thread, came = paused_call(sandbox, client)
    control(sandbox, "faults", "DELETE")
    thread.join(10)
    assert [one.id for one in client.v1.customers.list().data] == came
