"""What an answer of the edge means to a car, without any network."""

import json
import random

import pytest

from sandbox.car import answers, protocol
from sandbox.car import lease as leases
from sandbox.car.answers import Answer, Kind, SetbackError
from sandbox.car.protocol import Adopt, Held, Keep, Outdated, Refuse
from tests.unit.car.edge_double import AUDIENCE, DAY, SigningKey, make_lease

VIN = "5YJ3E1EA0KF000316"
NOW = 1_795_335_600
KEY = SigningKey("k1")
KEYS = leases.parse_keys({"keys": [KEY.jwk]})


def answer(status: int, body: object = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"" if body is None else json.dumps(body).encode())


def document(version: int = 1, catalog: int = 1, /, **changes: object) -> dict:
    lease = make_lease(KEY, VIN, NOW, ver=version, cat=catalog)
    made = {"vin": VIN, "version": version, "catalog": catalog, "plan": "standard", "lease": lease}
    return made | changes


def judge(given: Answer, version: int = 0, catalog: int = 0, now: float = NOW) -> protocol.Step:
    return protocol.on_check(given, Held(VIN, AUDIENCE, version, catalog, KEYS), now)


def test_not_modified_keeps():
    assert judge(answer(304)) == Keep()


def test_a_newer_document_with_a_good_lease_is_adopted():
    step = judge(answer(200, document(2, 1), etag='"2.1.0.0"'), version=1, catalog=1)
    assert isinstance(step, Adopt)
    assert (step.document.version, step.etag) == (2, '"2.1.0.0"')


def test_a_document_with_the_same_numbers_is_adopted_for_its_new_lease():
    assert isinstance(judge(answer(200, document(2, 2)), 2, 2), Adopt)


@pytest.mark.parametrize(("version", "catalog"), [(3, 1), (1, 3), (3, 3)])
def test_a_document_with_either_number_lower_is_not_taken(version, catalog):
    assert isinstance(judge(answer(200, document(2, 2)), version, catalog), Outdated)


def test_a_bad_lease_refuses_the_document_with_the_reason():
    step = judge(answer(200, document(2, 1)), now=NOW + 41 * DAY)
    assert isinstance(step, Refuse)
    assert (step.version, step.catalog, step.reason) == (2, 1, "lease_expired")


def test_a_lease_of_another_document_is_refused():
    other = document(3, 1)["lease"]
    step = judge(answer(200, document(2, 1, lease=other)))
    assert isinstance(step, Refuse)
    assert step.reason == "lease_not_of_this_document"


def test_a_newer_document_with_an_older_lease_is_refused():
    other = document(1, 1)["lease"]
    step = judge(answer(200, document(3, 1, lease=other)), version=2, catalog=1)
    assert isinstance(step, Refuse)
    assert step.reason == "lease_older_version"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        document(vin="5YJ3E1EAXKF000002"),
        document(version="1"),
        document(version=True),
        document(version=-1),
        document(version=2**53),
        document(catalog=None),
        document(lease=None),
        document(lease=""),
    ],
)
def test_a_document_that_cannot_be_read_is_a_setback(body):
    with pytest.raises(SetbackError, match="cannot be read"):
        judge(answer(200, body))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, Kind.BUSY), (503, Kind.BUSY), (429, Kind.BUSY), (302, Kind.BUSY),
     (400, Kind.REFUSED), (401, Kind.REFUSED), (403, Kind.REFUSED), (404, Kind.REFUSED)],
)  # fmt: skip
def test_other_answers_are_setbacks_of_two_kinds(status, kind):
    with pytest.raises(SetbackError) as caught:
        judge(answer(status, retry_after="7"))
    assert caught.value.kind is kind
    assert caught.value.at_least == 7


def test_a_refusal_is_said_in_the_words_of_the_problem():
    problem = {"title": "Forbidden", "detail": "This car is not delivered yet."}
    with pytest.raises(SetbackError, match=r"This car is not delivered yet\. \(403\)"):
        judge(answer(403, problem))
    assert answer(404, {"title": "Not found"}).words() == "Not found (404)"
    assert answer(400, {"error": "invalid_grant"}).words() == "invalid_grant (400)"
    assert Answer(502, {}, b"<html>").words() == "The service answered 502."


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0), ("45", 45), ("1e9", 60), ("-5", 60), ("soon", 60), (None, 60), ("999999", 86_400)],
)
def test_the_edge_sets_the_pace(value, seconds):
    headers = {} if value is None else {"poll-after": value}
    assert Answer(200, headers).poll_after == seconds


def test_retry_after_may_be_a_date():
    dated = answer(503, date="Sun, 22 Nov 2026 08:20:00 GMT",
                   retry_after="Sun, 22 Nov 2026 08:20:30 GMT")  # fmt: skip
    assert dated.date == NOW
    assert dated.retry_after == 30
    assert answer(503, date="rubbish", retry_after="rubbish").retry_after == 0


def test_tokens_codes_and_keys_are_read_or_are_setbacks():
    assert answers.on_token(answer(200, {"access_token": "t", "expires_in": 9})).expires_in == 9
    assert answers.on_token(answer(200, {"access_token": "t"})).expires_in == 3600
    assert answers.on_pairing(answer(200, {"user_code": "WDJB-MJHT"})).value == "WDJB-MJHT"
    assert answers.on_keys(answer(200, {"keys": []})) == {"keys": []}
    for read in (answers.on_token, answers.on_pairing, answers.on_keys):
        for bad in (answer(200, {}), answer(200, []), answer(503)):
            with pytest.raises(SetbackError):
                read(bad)


def test_a_report_is_settled_refused_for_good_or_kept():
    assert protocol.on_report(answer(204)) is None
    assert protocol.on_report(answer(422, {"detail": "Never issued."})) == "Never issued. (422)"
    for status in (401, 429, 500, 503):
        with pytest.raises(SetbackError):
            protocol.on_report(answer(status))


def test_waiting_grows_is_spread_and_never_undercuts_the_edge():
    chance = random.Random(1)
    first = [protocol.backoff(1, 0, chance) for _ in range(300)]
    late = [protocol.backoff(50, 0, chance) for _ in range(300)]
    asked = [protocol.backoff(1, 30, chance) for _ in range(300)]
    assert max(first) <= 2 < max(late) <= 20
    assert min(late) < 2
    assert len(set(late)) > 250
    assert 30 <= min(asked) <= max(asked) <= 32
