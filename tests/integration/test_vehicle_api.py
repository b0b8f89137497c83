"""A car signs in: what proves who it is, what does not, and what a refusal gives away."""

import base64
import json
import threading
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection

from billing import clock
from fleet import credentials, keys, tasks
from fleet.models import UsedAssertion, Vehicle
from tests.factories import Car, body, call, exchange, make_car, make_user, next_vin

pytestmark = pytest.mark.django_db
MINUTE = 60


@pytest.fixture
def car() -> Car:
    return make_car()


def unix() -> int:
    return int(clock.unix())


def refused(answer, error: str = "invalid_grant") -> Any:
    """Whatever was wrong, the refusal has RFC 6749's words in RFC 9457's form."""
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = body(answer)
    assert document["error"] == error
    assert document["error_description"] == document["detail"]
    assert document["type"].startswith("urn:premium-connectivity:problem:")
    return document


def encoded(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


# Signing in


def test_a_car_gets_a_token_for_its_assertion(car) -> None:
    answer = car.sign_in()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    document = body(answer)
    assert set(document) == {"access_token", "token_type", "expires_in"}
    assert document["token_type"] == "Bearer"
    found = credentials.read(document["access_token"], now=unix())
    assert found.vehicle_id == car.vehicle.id
    assert abs(found.expires_at - unix() - document["expires_in"]) <= 2


def test_signing_in_is_a_sign_of_life(car) -> None:
    before = clock.now()
    car.sign_in()
    car.vehicle.refresh_from_db()
    assert before <= car.vehicle.last_contact_at <= clock.now()


def test_tokens_last_a_day_less_up_to_a_tenth(car) -> None:
    lifetimes = {body(car.sign_in())["expires_in"] for _ in range(50)}
    assert max(lifetimes) <= 86_400
    assert min(lifetimes) >= 86_400 * 0.9
    assert len(lifetimes) > 30


# What proves nothing


def test_an_unknown_vin_and_a_wrong_key_look_the_same(car) -> None:
    stranger = Car(Vehicle(vin=next_vin()), Ed25519PrivateKey.generate())
    thief = Car(car.vehicle, Ed25519PrivateKey.generate())
    answers = [exchange(someone.assertion()) for someone in (stranger, thief)]
    documents = [refused(answer) for answer in answers]
    for document in documents:
        document.pop("instance")
    assert documents[0] == documents[1]
    assert answers[0].headers.items() == answers[1].headers.items()


def test_a_removed_car_looks_unknown(car) -> None:
    unknown = refused(exchange(Car(Vehicle(vin=next_vin()), car.key).assertion()))
    Vehicle.objects.filter(id=car.vehicle.id).update(removed_at=clock.now())
    assert refused(car.sign_in())["detail"] == unknown["detail"]


def test_the_signature_is_checked_before_anything_else_is_said(car) -> None:
    """Wrong claims under a wrong key tell no more than a wrong key does."""
    thief = Car(car.vehicle, Ed25519PrivateKey.generate())
    plain = refused(exchange(thief.assertion()))["detail"]
    for claims in ({"aud": "x"}, {"iat": 1, "exp": 2}, {"jti": ""}, {"iss": "x"}):
        assert refused(exchange(thief.assertion(**claims)))["detail"] == plain


def claims_of(car: Car) -> dict:
    return jwt.decode(car.assertion(), options={"verify_signature": False})


def test_no_other_algorithm_is_taken(car) -> None:
    raw = car.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    forged = [jwt.encode(claims_of(car), "", algorithm="none")]
    forged += [jwt.encode(claims_of(car), raw, algorithm="HS256")]
    forged += [jwt.encode(claims_of(car), car.vehicle.public_key.encode(), algorithm="HS256")]
    forged += [jwt.encode(claims_of(car), "x" * 64, algorithm="HS512")]
    head = encoded({"alg": "none", "typ": "JWT"})
    claims, signature = car.assertion().split(".")[1:]
    forged += [f"{head}.{claims}.", f"{head}.{claims}.{signature}"]
    for assertion in forged:
        refused(exchange(assertion))
    assert not UsedAssertion.objects.exists()


DEEP = b"[" * 2_900 + b"]" * 100


@pytest.mark.parametrize(
    "assertion",
    [
        "x",
        ".",
        "..",
        "....",
        "a.b.c",
        "%01.%01.%01",
        "ä.ö.ü",
        f"{encoded({'alg': 'EdDSA'})}.{encoded([])}.",
        f"{encoded({'alg': 'EdDSA'})}.{encoded('text')}.",
        f"{encoded({'alg': 'EdDSA'})}.{encoded({'sub': None})}.AA",
        f"{encoded({'alg': 'EdDSA'})}.{encoded({'sub': ['5YJ3E1EA0KF000316']})}.AA",
        f"{encoded({'alg': 'EdDSA'})}.{encoded({'sub': {'a': 1}})}.AA",
        f"{encoded({'alg': 'EdDSA'})}.{encoded({'sub': chr(0)})}.AA",
        f"{encoded({'alg': 'EdDSA'})}.{encoded({'sub': chr(0xD800)})}.AA",
        f"{encoded({'alg': 'EdDSA'})}.{encoded({'sub': '5' * 17})}.AA",
        f"{encoded({'alg': 'EdDSA'})}.{encoded(DEEP)}.AA",
        f"{encoded(DEEP)}.{encoded({})}.AA",
        f"{encoded({'alg': ['EdDSA']})}.{encoded({})}.AA",
        f"{encoded({'alg': 'EdDSA', 'kid': 7})}.{encoded({})}.AA",
        f"{encoded({'alg': 'EdDSA', 'crit': ['b64'], 'b64': False})}.{encoded({})}.AA",
    ],
)
def test_what_is_no_assertion_is_refused(assertion: str) -> None:
    refused(exchange(assertion))


# The claims


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another-service"},
        {"aud": None},
        {"aud": []},
        {"aud": ["another-service"]},
        {"aud": {"premium-connectivity": 1}},
        {"iss": "5YJ3E1EA0KF000316X"},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 129},
        {"jti": "a\0b"},
        {"jti": "\ud800"},
        {"iat": "soon"},
        {"iat": None},
        {"exp": None},
        {"iat": [1]},
        {"iat": float("nan")},
        {"exp": float("inf")},
        {"exp": 10**400},
    ],
)
def test_wrong_claims_under_the_right_key_are_refused(car, claims) -> None:
    refused(exchange(car.assertion(**claims)))
    assert not UsedAssertion.objects.exists()


@pytest.mark.parametrize("missing", ["iss", "aud", "iat", "exp", "jti"])
def test_each_claim_is_needed(car, missing: str) -> None:
    claims = {name: value for name, value in claims_of(car).items() if name != missing}
    refused(exchange(jwt.encode(claims, car.key, algorithm="EdDSA")))


def test_one_of_several_audiences_may_be_ours(car) -> None:
    answer = exchange(car.assertion(aud=["another-service", "premium-connectivity"]))
    assert answer.status_code == 200


def test_the_names_are_the_whole_vin(car) -> None:
    longer = car.vehicle.vin + "X"
    refused(exchange(car.assertion(iss=longer, sub=longer)))
    refused(exchange(car.assertion(iss=car.vehicle.vin.lower(), sub=car.vehicle.vin.lower())))


@pytest.mark.parametrize(
    ("iat", "exp", "good"),
    [
        (0, 300, True),
        (0, 301, False),  # longer than 5 minutes
        (0, 0, False),
        (10, 0, False),
        (300 - 2, 600 - 2, True),  # the car's clock is 5 minutes fast
        (6 * MINUTE, 11 * MINUTE, False),
        (-10 * MINUTE + 5, -5 * MINUTE + 5, True),  # 5 minutes slow, and expired for it
        (-10 * MINUTE, -5 * MINUTE, False),
        (-11 * MINUTE, -6 * MINUTE, False),
        (-86_400, -86_100, False),
    ],
)
def test_an_assertion_is_of_this_time(car, iat: int, exp: int, good: bool) -> None:
    now = unix()
    answer = exchange(car.assertion(iat=now + iat, exp=now + exp))
    assert (answer.status_code == 200) is good
    if not good:
        refused(answer)


def test_a_car_whose_clock_is_wrong_is_told_where_to_find_the_time(car) -> None:
    answer = exchange(car.assertion(iat=5, exp=200))
    assert "`Date`" in refused(answer)["detail"]


# Once


def test_an_assertion_is_good_once(car) -> None:
    assertion = car.assertion()
    assert exchange(assertion).status_code == 200
    assert "used before" in refused(exchange(assertion))["detail"]
    assert exchange(car.assertion()).status_code == 200


def test_a_jti_is_its_cars_own(car) -> None:
    assert exchange(car.assertion(jti="1")).status_code == 200
    assert exchange(make_car().assertion(jti="1")).status_code == 200
    refused(exchange(car.assertion(jti="1")))


def test_a_refused_assertion_is_not_spent(car) -> None:
    refused(exchange(car.assertion(jti="1", aud="another")))
    assert exchange(car.assertion(jti="1")).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_a_token(car) -> None:
    for _ in range(5):
        assertion, start = car.assertion(), threading.Barrier(2)
        statuses: list[int] = []

        def try_it(assertion=assertion, statuses=statuses, start=start) -> None:
            start.wait()
            statuses.append(exchange(assertion).status_code)
            connection.close()

        threads = [threading.Thread(target=try_it) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200, 400]


def test_a_spent_assertion_is_kept_for_as_long_as_it_could_be_used(car, moving_clock) -> None:
    assertion = car.assertion()
    assert exchange(assertion).status_code == 200
    moving_clock.advance(seconds=598)
    tasks.tidy()
    refused(exchange(assertion))
    assert UsedAssertion.objects.exists()
    moving_clock.advance(seconds=4)
    tasks.tidy()
    assert not UsedAssertion.objects.exists()
    refused(exchange(assertion))


# The form


def send(form: str, kind: str = "application/x-www-form-urlencoded"):
    return call("POST", "/vehicle/v1/token", form, content_type=kind)


def test_each_field_is_needed(car) -> None:
    grant = "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer"
    for form in ("", "x", grant, f"assertion={car.assertion()}", f"{grant}&assertion="):
        refused(send(form), "invalid_request")


def test_another_grant_type_is_refused(car) -> None:
    refused(exchange(car.assertion(), "client_credentials"), "unsupported_grant_type")


def test_a_huge_assertion_is_refused() -> None:
    refused(exchange("x" * 4_097), "invalid_request")
    answer = exchange("x" * 70_000)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_form_is_a_form(car) -> None:
    answer = call("POST", "/vehicle/v1/token", {"assertion": car.assertion()})
    assert answer.status_code == 415
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body(answer)["type"].endswith(":unsupported-media-type")


# The token


def test_a_token_is_good_until_it_expires(car, moving_clock) -> None:
    lifetime = body(car.sign_in())["expires_in"]
    assert car.check().status_code == 200
    moving_clock.advance(seconds=lifetime - 5)
    assert car.call("POST", "/vehicle/v1/pairing").status_code == 200
    moving_clock.advance(seconds=5)
    assert car.check().status_code == 401
    assert car.call("POST", "/vehicle/v1/pairing").status_code == 401
    car.sign_in()
    assert car.plan() == "standard"


def test_a_token_of_a_car_that_is_gone_is_refused(car) -> None:
    car.sign_in()
    Vehicle.objects.filter(id=car.vehicle.id).update(removed_at=clock.now())
    assert car.call("POST", "/vehicle/v1/pairing").status_code == 401
    assert car.call("PUT", "/vehicle/v1/entitlement/report", {}).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_former_units_token_is_refused_by_every_call(car) -> None:
    car.sign_in()
    former = car.token
    unit = Ed25519PrivateKey.generate()
    raw = unit.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    keys.replace_key(
        vehicle_id=car.vehicle.id,
        public_key=base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
        reason="swapped",
        actor=make_user(),
        now=datetime.now(UTC),
    )
    for method, path in (
        ("GET", "/vehicle/v1/entitlement"),
        ("POST", "/vehicle/v1/pairing"),
        ("PUT", "/vehicle/v1/entitlement/report"),
    ):
        assert call(method, path, {}, authorization=f"Bearer {former}").status_code == 401
    refused(car.sign_in())
    assert Car(car.vehicle, unit).sign_in().status_code == 200


def test_no_code_before_delivery() -> None:
    car = make_car(delivered_on=None)
    car.sign_in()
    answer = car.call("POST", "/vehicle/v1/pairing")
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert body(answer)["type"].endswith(":not-delivered")


def test_the_keys_of_leases_are_public() -> None:
    answer = call("GET", "/vehicle/v1/keys")
    assert answer.status_code == 200
    assert jwt.PyJWKSet.from_dict(body(answer)).keys
