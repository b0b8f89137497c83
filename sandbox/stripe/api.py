"""Serves Stripe's API: who asks, what they may send, what they get, and what is kept of it."""

import json
import logging
import socket
import urllib.parse
from collections.abc import Mapping
from typing import Any

import flask

from sandbox.stripe import clocks, idempotency, operations
from sandbox.stripe.errors import DeclinedError, StripeError, bad_key, unknown_url
from sandbox.stripe.expand import expanded
from sandbox.stripe.idempotency import Answer
from sandbox.stripe.objects.event import API_VERSION
from sandbox.stripe.operation import Operation
from sandbox.stripe.params import parse_form, read_fields
from sandbox.stripe.settings import setting
from sandbox.stripe.store import Transaction, new_id
from sandbox.stripe.world import World

log = logging.getLogger(__name__)


def create_blueprint(world: World) -> flask.Blueprint:
    """Everything under /v1/."""
    blueprint = flask.Blueprint("stripe_api", __name__)

    @blueprint.route("/v1/<path:_>", methods=["GET", "POST", "DELETE", "PUT", "PATCH"])
    def call(_: str) -> flask.Response:
        return _serve(world, flask.request)

    return blueprint


def _serve(world: World, request: flask.Request) -> flask.Response:
    form = request.get_data(as_text=True)
    fault = world.faults.take(request.method, request.path)
    if not _metered(world, request, fault):
        fault = "rate_limit"
    if fault == "drop" or (fault == "pause" and not _pause(world, request, fault)):
        return _cut(request)
    request_id = new_id("req")
    try:
        _refuse_by_fault(fault)
        answer = _answer(world, request, form, request_id, fails_after=fault == "error_after")
    except StripeError as error:
        answer = Answer(error.status, error.body, request_id)
    except Exception:
        log.exception("The sandbox failed at %s %s", request.method, request.path)
        failure = StripeError("The sandbox failed; see its log.", status=500, kind="api_error")
        answer = Answer(500, failure.body, request_id)
    if fault == "drop_after" or (fault == "pause_after" and not _pause(world, request, fault)):
        return _cut(request)
    url = request.full_path if request.query_string else request.path
    world.recorder.exchange(request.method, url, form, answer.status, answer.body)
    return _response(request, answer)


def _answer(
    world: World, request: flask.Request, form: str, request_id: str, *, fails_after: bool
) -> Answer:
    _authenticate(request)
    operation, object_id = _find(request.method, request.path)
    query = request.query_string.decode("utf-8", "replace")
    raw = parse_form("&".join(filter(None, (query, form))))
    given = read_fields(raw, operation.fields, operation.required)
    world.runner.catch_up()
    if request.method == "GET":
        with world.store.reading() as tx:
            return Answer(200, _run(tx, operation, given, object_id), request_id)
    key = request.headers.get("Idempotency-Key") if request.method == "POST" else None
    if key:
        fingerprint = json.dumps([request.method, request.path, raw], sort_keys=True)
        stored = idempotency.reserve(world.store, key, fingerprint)
        if stored is not None:
            return stored
    try:
        with world.store.writing() as tx:
            tx.request_id, tx.idempotency_key = request_id, key
            answer = _effected(tx, operation, given, object_id, request_id)
            if fails_after:
                answer = Answer(500, _outage().body, request_id)
            if key:
                idempotency.keep(tx, key, answer)
    except BaseException:
        if key:
            idempotency.release(world.store, key)
        raise
    return answer


def _effected(
    tx: Transaction,
    operation: Operation,
    given: dict[str, Any],
    object_id: str,
    request_id: str,
) -> Answer:
    """Do it; a card that was declined is an answer too, and the attempt on it is kept."""
    try:
        return Answer(200, _run(tx, operation, given, object_id), request_id)
    except DeclinedError as declined:
        return Answer(declined.status, declined.body, request_id)


def _run(
    tx: Transaction, operation: Operation, given: dict[str, Any], object_id: str
) -> dict[str, Any]:
    paths = given.pop("expand", [])
    clocks.enter_for(tx, given, object_id)
    return expanded(tx, operation.run(tx, given, object_id), paths)


def _find(method: str, path: str) -> tuple[Operation, str]:
    for operation in operations.ALL:
        match = operation.pattern.fullmatch(path)
        if match and operation.method == method:
            return operation, urllib.parse.unquote(match.group(1)) if match.groups() else ""
    raise unknown_url(method, path)


def _authenticate(request: flask.Request) -> None:
    key = request.authorization.token if request.authorization else None
    if key is None and request.authorization:
        # Stripe takes the key as the name of HTTP basic authentication too, as curl -u sends it.
        key = request.authorization.username
    if not key or not key.startswith("sk_test_"):
        raise bad_key(key or "")
    version = request.headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        raise StripeError(
            f"This sandbox speaks API version {API_VERSION} only, and was asked for {version}."
        )


def _metered(world: World, request: flask.Request, fault: str | None) -> bool:
    """Count the call; whether it is within the limit that is set."""
    try:
        name = f"{request.method} {_find(request.method, request.path)[0].path}"
    except StripeError:
        name = f"{request.method} unknown"
    with world.store.reading() as tx:
        within = world.meter.admits(name, setting(tx, "rate_limit"))
    if not within or fault == "rate_limit":
        world.meter.refuse(name)
    return within


def _refuse_by_fault(fault: str | None) -> None:
    if fault == "error":
        raise _outage()
    if fault == "outage":
        raise StripeError("Service temporarily unavailable.", status=503, kind="api_error")
    if fault == "rate_limit":
        raise StripeError(
            "Request rate limit exceeded. You can learn more about rate limits here "
            "https://stripe.com/docs/rate-limits.",
            status=429,
            code="rate_limit",
        )


def _outage() -> StripeError:
    return StripeError("An unknown error occurred", status=500, kind="api_error")


def _pause(world: World, request: flask.Request, kind: str) -> bool:
    """Wait until a test lets this call go; whether it is to go on."""
    key = request.headers.get("Idempotency-Key", "")
    port = int(request.environ.get("REMOTE_PORT", 0))
    return world.faults.pause(kind, request.method, request.path, key=key, port=port)


def _cut(request: flask.Request) -> flask.Response:
    """Close the connection: the client gets no answer and cannot know what happened."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    return flask.Response(status=503)


def _response(request: flask.Request, answer: Answer) -> flask.Response:
    headers: Mapping[str, str] = {
        "Request-Id": answer.request_id,
        "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
        "Cache-Control": "no-cache, no-store",
        **({"Idempotent-Replayed": "true"} if answer.replayed else {}),
        **(
            {"Idempotency-Key": request.headers["Idempotency-Key"]}
            if "Idempotency-Key" in request.headers
            else {}
        ),
    }
    return flask.Response(
        json.dumps(answer.body, indent=2),
        status=answer.status,
        headers=dict(headers),
        mimetype="application/json",
    )
