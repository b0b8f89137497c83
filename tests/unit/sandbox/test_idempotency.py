"""One key, one effect: replays, conflicts, failures before and after the effect."""

import threading

import pytest
import requests
import stripe

from tests.sandbox_server import SandboxServer, running_sandbox
from tests.unit.sandbox.conftest import Client, SandboxClock, client_of
from tests.unit.sandbox.test_webhooks import control


def keyed(key: str) -> stripe.RequestOptions:
    return {"idempotency_key": key}


def test_the_same_key_and_request_give_the_same_answer(client: Client):
    first = client.v1.customers.create({"name": "Ada"}, keyed("k"))
    again = client.v1.customers.create({"name": "Ada"}, keyed("k"))
    assert again.to_dict() == first.to_dict()
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.request_id == first.last_response.request_id
    assert len(client.v1.customers.list().data) == 1
    assert len(client.v1.events.list({"type": "customer.created"}).data) == 1


def test_the_same_key_for_something_else_is_refused(client: Client):
    client.v1.customers.create({"name": "Ada"}, keyed("k"))
    for change in (
        lambda: client.v1.customers.create({"name": "Bob"}, keyed("k")),
        lambda: client.v1.products.create({"name": "Ada"}, keyed("k")),
    ):
        with pytest.raises(stripe.IdempotencyError) as refused:
            change()
        assert refused.value.http_status == 400


def test_a_key_survives_a_restart(tmp_path, sandbox_clock: SandboxClock):
    made = []
    for _ in range(2):
        with (
            running_sandbox(tmp_path / "kept", clock_file=sandbox_clock.path) as server,
            client_of(server) as client,
        ):
            made.append(client.v1.customers.create({"name": "Ada"}, keyed("k")).id)
            assert len(client.v1.customers.list().data) == 1
    assert made[0] == made[1]


def test_a_refused_request_frees_its_key(unrecorded: SandboxServer):
    with client_of(unrecorded) as client:
        with pytest.raises(stripe.InvalidRequestError):
            client.v1.checkout.sessions.expire("cs_no", options=keyed("k"))
        assert client.v1.customers.create({"name": "Ada"}, keyed("k")).name == "Ada"


def test_fifty_at_once_have_one_effect(sandbox: SandboxServer, client: Client):
    statuses, ids = [], set()
    barrier = threading.Barrier(50)

    def create() -> None:
        barrier.wait()
        answer = requests.post(
            f"{sandbox.url}/v1/customers",
            data={"name": "Ada"},
            headers={"Authorization": "Bearer sk_test_x", "Idempotency-Key": "k"},
            timeout=30,
        )
        statuses.append(answer.status_code)
        if answer.status_code == 200:
            ids.add(answer.json()["id"])

    threads = [threading.Thread(target=create) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 409}
    assert len(ids) == len(client.v1.customers.list().data) == 1


def test_a_key_in_use_is_a_conflict(sandbox: SandboxServer, client: Client):
    from sandbox.stripe import idempotency

    world = sandbox.running.app.extensions["world"]
    fingerprint = '["POST", "/v1/customers", {"name": "Ada"}]'
    assert idempotency.reserve(world.store, "k", fingerprint) is None
    with pytest.raises(stripe.StripeError) as refused:
        client.v1.customers.create({"name": "Ada"}, keyed("k"))
    assert refused.value.http_status == 409
    idempotency.release(world.store, "k")
    assert client.v1.customers.create({"name": "Ada"}, keyed("k")).name == "Ada"


def test_a_call_that_failed_before_its_effect(sandbox: SandboxServer, client: Client):
    control(sandbox, "faults", kind="error")
    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"name": "Ada"}, keyed("k"))
    assert client.v1.customers.list().data == []
    assert client.v1.customers.create({"name": "Ada"}, keyed("k")).name == "Ada"


def test_a_call_that_failed_after_its_effect_keeps_failing(sandbox: SandboxServer, client: Client):
    control(sandbox, "faults", kind="error_after", method="POST", path="/v1/customers")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            client.v1.customers.create({"name": "Ada"}, keyed("k"))
        assert failed.value.http_status == 500
    assert len(client.v1.customers.list().data) == 1


@pytest.mark.parametrize(("kind", "made"), [("drop", 0), ("drop_after", 1)])
def test_a_connection_that_breaks(sandbox: SandboxServer, client: Client, kind: str, made: int):
    control(sandbox, "faults", kind=kind)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({"name": "Ada"}, keyed("k"))
    assert len(client.v1.customers.list().data) == made
    assert client.v1.customers.create({"name": "Ada"}, keyed("k")).name == "Ada"
    assert len(client.v1.customers.list().data) == 1


def test_limits_and_their_end(sandbox: SandboxServer, client: Client):
    control(sandbox, "faults", kind="rate_limit", times="1000")
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            client.v1.customers.list()
    control(sandbox, "faults", "DELETE")
    assert client.v1.customers.list().data == []


def test_a_key_is_forgotten_after_a_day(client: Client, sandbox_clock: SandboxClock):
    first = client.v1.customers.create({}, keyed("k"))
    sandbox_clock.advance(hours=23, minutes=59)
    assert client.v1.customers.create({}, keyed("k")).id == first.id
    sandbox_clock.advance(minutes=2)
    assert client.v1.customers.create({}, keyed("k")).id != first.id


def test_a_failure_after_the_effect_is_replayed_for_a_day(
    sandbox: SandboxServer, client: Client, sandbox_clock: SandboxClock
):
    def status() -> tuple[int, str | None]:
        answer = requests.post(
            f"{sandbox.url}/v1/customers",
            headers={"Authorization": "Bearer sk_test_x", "Idempotency-Key": "k"},
            timeout=10,
        )
        return answer.status_code, answer.headers.get("Idempotent-Replayed")

    control(sandbox, "faults", kind="error_after")
    assert [status(), status()] == [(500, None), (500, "true")]
    sandbox_clock.advance(days=1)
    assert status() == (200, None)
    assert len(client.v1.customers.list().data) == 2
