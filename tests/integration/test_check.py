"""The check: the exact document, its name, and what a car that holds it is answered."""

from datetime import UTC, datetime

import jwt
import pytest
from jwt.types import Options

from billing import clock, grants, subjects
from billing.models import CatalogRevision, Subject
from fleet import credentials, delivery, lease, rows, snapshots
from fleet.models import Vehicle
from tests.factories import Car, body, call, make_car

pytestmark = pytest.mark.django_db
CHECK = "/vehicle/v1/entitlement"
HOUR = 3600
ALL = [
    *("browser", "karaoke", "live_camera", "live_traffic"),
    *("music_streaming", "satellite_maps", "video_streaming"),
]


@pytest.fixture
def car() -> Car:
    made = make_car()
    made.sign_in()
    return made


@pytest.fixture
def at(monkeypatch):
    """Sets the second at which the next questions are asked."""
    real = clock.unix

    def stand_at(second: int) -> None:
        monkeypatch.setattr(clock, "unix", lambda: float(second))

    stand_at(int(real()))
    return stand_at


def give(car: Car, starts_at: int, ends_at: int | None, source: str = "trial") -> None:
    """A gift in Unix seconds, of which the site is told."""
    ends = None if ends_at is None else datetime.fromtimestamp(ends_at, UTC)
    gift = grants.Gift(
        car.vehicle.id, "premium", source, datetime.fromtimestamp(starts_at, UTC), ends
    )
    grants.give(gift, now=clock.now())
    delivery.publish("local", now=clock.now())


def turn_of_epoch(car: Car, after: int) -> int:
    """The second at which the car's lease epoch turns next."""
    past = (after + car.vehicle.id.int % lease.EPOCH) % lease.EPOCH
    return after + lease.EPOCH - past


def rfc3339(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# The document


def test_the_document_has_the_members_of_the_contract_and_no_others(car, at) -> None:
    now = int(clock.unix())
    give(car, now - HOUR, now + HOUR)
    answer = car.check()
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    document = body(answer)
    token = document.pop("lease")
    assert document == {
        "vehicle": str(car.vehicle.id),
        "vin": car.vehicle.vin,
        "version": 2,
        "catalog": 1,
        "plan": "premium",
        "features": ALL,
        "consents": [],
        "reason": "trial",
        "valid_until": rfc3339(now + HOUR),
    }
    key = jwt.PyJWKSet.from_dict(body(call("GET", "/vehicle/v1/keys"))).keys[0].key
    options: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(token, key, algorithms=["EdDSA"], options=options)
    assert (claims["ver"], claims["cat"]) == (2, 1)
    assert (claims["sub"], claims["iat"]) == (car.vehicle.vin, now)
    [granted] = claims["grants"]
    assert (granted["from"], granted["until"]) == (now - HOUR, now + HOUR)
    assert sorted(granted["features"]) == ALL


def test_a_standard_car_has_an_empty_verdict(car) -> None:
    document = body(car.check())
    assert (document["plan"], document["features"]) == ("standard", [])
    assert (document["reason"], document["valid_until"]) == ("none", None)


def test_the_features_are_those_that_the_hardware_can(at) -> None:
    car = make_car(hardware="mcu1")
    car.sign_in()
    give(car, int(clock.unix()), None, "factory")
    document = body(car.check())
    assert document["features"] == [
        *("browser", "live_traffic", "music_streaming", "satellite_maps"),
    ]
    assert document["valid_until"] is None


# Its name


def test_the_etag_names_version_catalogue_epoch_and_horizon(car, at) -> None:
    now = int(clock.unix())
    epoch = lease.epoch(car.vehicle.id, now)
    assert car.check().headers["ETag"] == f'"1.1.{epoch}.0"'
    give(car, now - HOUR, now + HOUR)
    assert car.check().headers["ETag"] == f'"2.1.{epoch}.{now + HOUR}"'


@pytest.mark.parametrize("from_redis", [True, False])
def test_the_verdict_changes_at_the_second_and_is_never_called_unchanged(
    car, at, settings, from_redis
) -> None:
    now = int(clock.unix())
    start, end = now + HOUR, now + 2 * HOUR
    give(car, start, end)
    if not from_redis:
        settings.SITES = {"local": "redis://localhost:1/0"}
    seen = []
    for second in (start - 1, start, start + 1, end - 1, end, end + 1):
        at(second)
        epoch = lease.epoch(car.vehicle.id, second)
        answer = car.check()
        fresh = car.call("GET", CHECK)
        document = body(fresh)
        horizon = document["valid_until"]
        named = car.etag.strip('"').split(".")
        assert named[:3] == ["2", "1", str(epoch)]
        assert rfc3339(int(named[3])) == horizon if horizon else named[3] == "0"
        seen.append((answer.status_code, document["plan"], int(named[3])))
    assert [each[1:] for each in seen] == [
        ("standard", start),
        ("premium", end),
        ("premium", end),
        ("premium", end),
        ("standard", 0),
        ("standard", 0),
    ]
    assert seen[1][0] == seen[4][0] == 200


def test_the_lease_is_renewed_at_the_second_of_its_turn(car, at) -> None:
    turn = turn_of_epoch(car, int(clock.unix()))
    car.token = make_token(car, turn)
    at(turn - 1)
    before = body(car.check())
    assert car.check().status_code == 304
    at(turn)
    after = car.check()
    assert after.status_code == 200
    assert body(after)["lease"] != before["lease"]
    assert body(after)["version"] == before["version"]
    assert car.check().status_code == 304
    at(turn + 1)
    assert car.check().status_code == 304


def make_token(car: Car, near: int) -> str:
    return credentials.issue(car.vehicle, near + HOUR)


def test_a_new_catalogue_is_told_at_the_next_question(car, at) -> None:
    give(car, int(clock.unix()), None, "factory")
    assert "karaoke" in body(car.check())["features"]
    assert car.check().status_code == 304
    document = CatalogRevision.objects.get(revision=1).document
    document["plans"][0]["features"].remove("karaoke")
    CatalogRevision.objects.create(revision=2, document=document)
    delivery.publish_catalog("local")
    answer = car.check()
    assert answer.status_code == 200
    assert body(answer)["catalog"] == 2
    assert "karaoke" not in body(answer)["features"]
    assert car.etag.startswith('"2.2.')


# 304


def test_a_304_has_the_same_headers_and_nothing_else(car) -> None:
    full = car.check()
    short = car.check()
    assert (full.status_code, short.status_code) == (200, 304)
    assert short.content == b""
    assert set(short.headers) - {"Allow"} == {"Etag", "Cache-Control", "Poll-After"}
    assert set(full.headers) == {*short.headers, "Content-Type"}
    for name in ("ETag", "Cache-Control"):
        assert short.headers[name] == full.headers[name]
    assert short.headers["Cache-Control"] == "private, no-cache"


def test_the_steady_state_asks_no_database(car, django_assert_num_queries) -> None:
    car.check()
    with django_assert_num_queries(0):
        assert car.check().status_code == 304
        assert car.plan() == "standard"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"1.1.1.1", {}', 304),
        ('"x",W/{} , "y"', 304),
        ("", 200),
        ("nonsense", 200),
        ('"', 200),
        ('""', 200),
        ('"1.1"', 200),
        ('"1.1.1.1"', 200),
        ('W/"1.1.1.1"', 200),
        ('"-1.-1.-1.-1"', 200),
        ('"1.1.1.1.1"', 200),
        ('"٣.1.1.1"', 200),
        ("1.1.1.1", 200),
        ("x" * 8_000, 200),
        ('"' * 8_000, 200),
    ],
)
def test_only_the_right_name_is_answered_unchanged(car, sent: str, status: int) -> None:
    car.check()
    answer = car.call("GET", CHECK, if_none_match=sent.replace("{}", car.etag))
    assert answer.status_code == status
    if status == 200:
        assert body(answer)["version"] == 1


def test_part_of_a_name_is_not_the_name(car) -> None:
    car.check()
    inner = car.etag.strip('"')
    for sent in (f'"{inner}1"', f'"1{inner}"', f'"{inner}.0"', inner, f'"x{inner}x"'):
        answer = car.call("GET", CHECK, if_none_match=sent)
        assert answer.status_code in (200, 503), sent


def test_the_polling_interval_is_spread(car, settings) -> None:
    settings.POLL_SECONDS = 300
    told = {int(car.check().headers["Poll-After"]) for _ in range(60)}
    assert min(told) >= 270
    assert max(told) <= 330
    assert len(told) > 20


# Who may ask


def test_a_token_of_no_car_is_refused(car) -> None:
    car.vehicle.id = make_car().vehicle.id
    Vehicle.objects.filter(id=car.vehicle.id).delete()
    answer = call("GET", CHECK, authorization=f"Bearer {make_token(car, int(clock.unix()))}")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_without_a_token_nothing_is_told() -> None:
    for header in ("", "Bearer x", "Basic dXNlcjpwYXNz"):
        answer = call("GET", CHECK, authorization=header)
        assert answer.status_code == 401
        assert body(answer)["type"].endswith(":token-invalid")


def test_a_removed_car_is_refused_at_once(car) -> None:
    assert car.check().status_code == 200
    Vehicle.objects.filter(id=car.vehicle.id).update(removed_at=clock.now())
    subjects.bump([car.vehicle.id], now=clock.now())
    delivery.publish("local", now=clock.now())
    assert car.check().status_code == 401
    assert car.call("GET", CHECK).status_code == 401


def test_versions_are_read_as_they_are_up_to_the_largest(car) -> None:
    Subject.objects.filter(id=car.vehicle.id).update(version=2**53 - 1)
    snapshots.write("local", rows.load([car.vehicle.id]))
    document = body(car.check())
    assert document["version"] == 2**53 - 1
    assert car.check().status_code == 304
