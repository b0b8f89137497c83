"""What is done ahead of Django is what Django would have done; all else is left to it."""

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import OperationalError

from fleet import credentials, delivery
from fleet.api.ahead import Ahead, Request
from fleet.api.vehicle import ReportRequest
from fleet.credentials import GRANT_TYPE, AssertionRefused, Issued
from fleet.models import Vehicle
from fleet.together import NotDone

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PLAIN = {
    "version": 17,
    "catalog": 3,
    "result": "applied",
    "reason": "",
    "at": "2026-11-22T08:20:00Z",
}
FORM = b"application/x-www-form-urlencoded"
RIGHT = {"grant_type": GRANT_TYPE, "assertion": "eyJ.e30._-9"}
FAULTS = [delivery.AheadOfUs, delivery.FormerUnit]


def headers(**changed: bytes) -> dict[bytes, bytes]:
    car = Vehicle(id=uuid.UUID(int=7), vin="5YJ3E1EA0KF000316", credential_generation=2)
    token = credentials.issue(car, int(NOW.timestamp()) + 60)
    own = {"authorization": f"Bearer {token}".encode(), "content-type": b"application/json"}
    named = {name.replace("_", "-"): value for name, value in changed.items()}
    return {name.encode(): value for name, value in (own | named).items()}


def done(call, attribute: str, request: Request, outcome: Any):
    """What is answered, and what was brought to be done."""
    brought: list[Any] = []

    async def to(item: Any) -> Any:
        brought.append(item)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def ask() -> Any:
        ahead = Ahead()
        setattr(ahead, attribute, to)
        return await call(ahead, request, now=NOW)

    return asyncio.run(ask()), brought


def answered(body: object, outcome: Exception | None = None, **changed: bytes):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return done(Ahead.report, "_reports", Request(headers(**changed), text, b"r1"), outcome)


def exchanged(body: bytes, outcome: object = Issued("t", 80_000), kind: bytes = FORM):
    request = Request({b"content-type": kind}, body, b"r1")
    return done(Ahead.token, "_tokens", request, outcome)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"version": 2**53 - 1},
        {"result": "failed", "reason": "lease_signature ü"},
        {"reason": "x" * 5_000},
        {"at": "2026-11-22T10:20:00.25+02:00"},
        {"at": "20261122T102000+0200"},
        {"battery": 80},
    ],
)
def test_what_is_plainly_right_is_read_as_django_reads_it(changed) -> None:
    answer, [said] = answered(PLAIN | changed, accept=b"*/*")
    assert answer == (204, b"", b"")
    theirs = ReportRequest(data=PLAIN | changed)
    assert theirs.is_valid()
    assert theirs.validated_data == {
        "version": said.version,
        "catalog": said.catalog,
        "result": "applied" if said.applied else "failed",
        "reason": said.reason,
        "at": said.at,
    }
    assert (said.vehicle_id.int, said.generation, said.received_at) == (7, 2, NOW)


@pytest.mark.parametrize(
    "body",
    [
        *({**PLAIN, "version": each} for each in (0, -1, 2**53, "17", 17.0, True, None, [17])),
        *({**PLAIN, "result": each} for each in ("done", ["applied"], None, True)),
        *({**PLAIN, "reason": each} for each in (" x", "a\0b", 5, None, ["x"])),
        *({**PLAIN, "at": each} for each in ("yesterday", 1, None, "2026-11-22T08:20:00")),
        {**PLAIN, "at": "0001-01-01T00:00:00+14:00"},
        *({name: PLAIN[name] for name in PLAIN if name != gone} for gone in ("version", "at")),
        [PLAIN],
        *(b"{", b"", b"NaN", b"[" * 9_000, b'{"version": NaN}', b"\xff"),
        json.dumps(PLAIN).encode("utf-16"),
    ],
)
def test_whatever_else_is_left_to_django(body) -> None:
    assert answered(body) == (None, [])


@pytest.mark.parametrize(
    "changed",
    [
        {"authorization": b""},
        {"authorization": b"Bearer \xff"},
        {"authorization": b"Basic x"},
        {"content_type": b""},
        {"content_type": b"text/plain"},
        {"content_type": b"application/jsonlines"},
        {"accept": b"text/html"},
    ],
)
def test_so_is_who_has_no_good_token_or_sends_or_takes_another_format(changed) -> None:
    assert answered(PLAIN, **changed) == (None, [])
    late = credentials.issue(Vehicle(id=uuid.UUID(int=7)), int(NOW.timestamp()))
    assert answered(PLAIN, authorization=f"Bearer {late}".encode()) == (None, [])


@pytest.mark.parametrize("error", FAULTS)
def test_so_is_what_the_rows_refuse(error) -> None:
    answer, brought = answered(PLAIN, error("no"))
    assert (answer, len(brought)) == (None, 1)


@pytest.mark.parametrize("error", [OperationalError("gone"), NotDone("late")])
def test_what_is_not_stored_is_said_so(error) -> None:
    answer, _ = answered(PLAIN, error)
    status, head, body = answer
    told = dict(line.split(b": ") for line in head.splitlines())
    assert (status, told[b"content-type"]) == (503, b"application/problem+json")
    assert 3 <= int(told[b"retry-after"]) <= 9
    document = json.loads(body)
    assert document["type"].endswith(":not-now")
    assert document["instance"] == "urn:request:r1"


@pytest.mark.parametrize("order", [1, -1])
def test_an_assertion_that_is_plainly_one_is_exchanged(order) -> None:
    form = urlencode(list(RIGHT.items())[::order]).encode()
    answer, brought = exchanged(form, kind=FORM + b"; charset=utf-8")
    status, head, body = answer
    assert brought == [("eyJ.e30._-9", NOW)]
    assert (status, json.loads(body)) == (
        200,
        {"access_token": "t", "token_type": "Bearer", "expires_in": 80_000},
    )
    assert b"cache-control: no-store\r\n" in head


@pytest.mark.parametrize(
    "form",
    [
        b"",
        b"x",
        b"\xff",
        b'{"assertion": "x"}',
        *(
            urlencode(RIGHT | {"assertion": each}).encode()
            for each in ("", "ä", "x" * 4_097, "a b")
        ),
        urlencode(RIGHT | {"grant_type": "password"}).encode(),
        urlencode(RIGHT | {"scope": "all"}).encode(),
        urlencode(RIGHT).encode() + b"&assertion=y",
    ],
)
def test_any_other_request_for_a_token_is_left_to_django(form) -> None:
    assert exchanged(form) == (None, [])
    assert exchanged(urlencode(RIGHT).encode(), kind=b"application/json") == (None, [])


def test_so_is_an_assertion_that_is_refused() -> None:
    answer, brought = exchanged(urlencode(RIGHT).encode(), AssertionRefused("no"))
    assert (answer, len(brought)) == (None, 1)


@pytest.mark.parametrize("error", [OperationalError("gone"), NotDone("late")])
def test_a_token_that_nobody_can_give_now_is_not_refused(error) -> None:
    (status, head, _), _ = exchanged(urlencode(RIGHT).encode(), error)
    assert status == 503
    assert b"retry-after: " in head
