"""The check when something is away, behind, or not as it should be: never a wrong verdict."""

import base64
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from django.db import connection
from django.db.utils import OperationalError

from billing import clock, grants, subjects
from fleet import access, credentials, delivery, keys, packing, rows, snapshots, traits
from fleet.models import Delivery
from tests.factories import Car, body, make_car, make_user

pytestmark = pytest.mark.django_db
CHECK = "/vehicle/v1/entitlement"


@pytest.fixture
def car() -> Car:
    """A car with Premium, which its site has been told."""
    made = make_car()
    made.sign_in()
    grants.give(gift(made), now=clock.now())
    tell()
    delivery.publish_lease_schedule("local")
    delivery.publish_catalog("local")
    return made


@pytest.fixture
def site() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(django_settings.SITES["local"]) as client:
        yield client


def tell() -> None:
    """Tell the site what has changed, as the worker does."""
    delivery.publish("local", now=clock.now())


def gift(car: Car) -> grants.Gift:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    return grants.Gift(car.vehicle.id, "premium", "factory", start, None)


def key_of(car: Car) -> bytes:
    return snapshots.key(car.vehicle.id.bytes)


@contextlib.contextmanager
def no_database() -> Iterator[None]:
    """PostgreSQL refuses every statement, as it does while it is away."""

    def refuse(*_args):
        raise OperationalError("the server is gone")

    with connection.execute_wrapper(refuse):
        yield


def come_back(answer) -> None:
    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert 3 <= int(answer.headers["Retry-After"]) <= 9
    assert body(answer)["status"] == 503


# Missing, poisoned


@pytest.mark.parametrize("what", ["vehicle", "catalog", "both"])
def test_what_is_missing_is_read_from_the_rows_and_stored(
    car, site, what, django_assert_num_queries
) -> None:
    both = [key_of(car), snapshots.CATALOG]
    gone = {"vehicle": both[:1], "catalog": both[1:], "both": both}[what]
    for key in gone:
        site.delete(key)
    assert car.plan() == "premium"
    assert site.exists(*both) == 2
    with django_assert_num_queries(0):
        assert car.plan() == "premium"


POISON = [
    b"",
    b"\x00\xff\xfe",
    b"garbage",
    b"2",
    b"2 ",
    b"2 garbage",
    b"2 []",
    b"2 {}",
    b"2 null",
    b'2 ["vin"',
    b'2 ["v",1,false,[],[],[["premium","soon",null,"trial"]]]',
    b'2 ["v",1,false,[],[],[["premium"]]]',
    b'2 ["v",1,false,[],[],[[1,2,3,4,5]]]',
    b'2 ["v",null,false,[],[],[]]',
    b'2 ["v",1e999,false,[],[],[]]',
    b'2 ["v",1,false,7,[],[]]',
    b"2 " + b"[" * 20_000,
    b"99999999999999999999 garbage",
    b"-1 []",
    b"\0" * 14,
    b"\0" * 32,
    b"\0\0\0\0\0\0\2\3[]xx",
    b"\x1f" + b"\xff" * 31,
]


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_snapshot_is_passed_over_and_replaced(
    car, site, poison, django_assert_num_queries
) -> None:
    site.set(key_of(car), poison)
    assert car.plan() == "premium"
    assert snapshots.decode(car.vehicle.id, site.get(key_of(car))).version == 2
    with django_assert_num_queries(0):
        assert car.plan() == "premium"


@pytest.mark.parametrize(
    "poison",
    [
        *POISON,
        b'1 {"features": [], "plans": [], "prices": [{}]}',
        b'1 {"features": 7, "plans": [], "prices": []}',
        b'1 {"features": [[]], "plans": [], "prices": []}',
        b'1 {"features": [{"code": [], "name": "x"}], "plans": [], "prices": []}',
    ],
)
def test_a_poisoned_catalogue_is_passed_over_and_replaced(car, site, poison) -> None:
    site.set("catalog:2", poison)
    assert car.plan() == "premium"
    assert b'"code":"premium"' in site.get("catalog:2")


@pytest.mark.parametrize("key", ["vehicle", "catalog"])
def test_a_value_of_another_type_is_passed_over_and_replaced(car, site, key) -> None:
    name = key_of(car) if key == "vehicle" else "catalog:2"
    site.delete(name)
    site.rpush(name, "not", "ours")
    assert car.plan() == "premium"
    assert site.type(name) == b"string"


@pytest.mark.parametrize("poison", [b"garbage", b"", b"99999garbage", b"list"])
def test_a_poisoned_value_does_not_hold_up_what_is_published_with_it(car, site, poison) -> None:
    other = make_car()
    site.delete(key_of(car))
    if poison == b"list":
        site.rpush(key_of(car), "not ours")
    else:
        site.set(key_of(car), poison)
    for each in (car, other):
        subjects.bump([each.vehicle.id], now=clock.now())
    tell()
    assert snapshots.decode(car.vehicle.id, site.get(key_of(car))).version == 3
    assert snapshots.decode(other.vehicle.id, site.get(key_of(other))).version == 2
    assert not Delivery.objects.filter(state="pending").exists()


# Away


def test_without_redis_the_rows_answer(car, settings) -> None:
    settings.SITES = {"local": "redis://localhost:1/0"}
    assert car.plan() == "premium"
    assert car.check().status_code == 304


def test_without_the_database_redis_answers(car) -> None:
    assert car.plan() == "premium"
    with no_database():
        assert car.check().status_code == 304
        assert car.plan() == "premium"


def test_without_either_the_car_is_told_to_come_back(car, settings) -> None:
    settings.SITES = {"local": "redis://localhost:1/0"}
    with no_database():
        come_back(car.check())


def test_the_waits_are_spread(car, settings) -> None:
    settings.SITES = {"local": "redis://localhost:1/0"}
    with no_database():
        told = {car.check().headers["Retry-After"] for _ in range(40)}
    assert len(told) > 1


def test_an_expired_token_is_good_for_a_day_while_no_new_one_can_be_had(
    car, moving_clock, monkeypatch
) -> None:
    monkeypatch.setattr(access, "_believed_until", 0)
    assert car.plan() == "premium"
    car.token = credentials.issue(car.vehicle, int(clock.unix()))
    with no_database():
        assert car.plan() == "premium"
        moving_clock.advance(seconds=86_300)
        assert car.plan() == "premium"
    moving_clock.advance(seconds=31)
    assert car.check().status_code == 401
    with no_database():
        moving_clock.advance(seconds=100)
        assert car.check().status_code == 401


def test_that_the_database_is_away_is_asked_now_and_then(car, moving_clock, monkeypatch) -> None:
    monkeypatch.setattr(access, "_believed_until", 0)
    assert car.plan() == "premium"
    car.token = credentials.issue(car.vehicle, int(clock.unix()))
    asked = []

    def refuse(_execute, sql, *_args):
        asked.append(sql)
        raise OperationalError("the server is gone")

    with connection.execute_wrapper(refuse):
        for _ in range(10):
            assert car.plan() == "premium"
        assert asked == ["SELECT 1"]
        moving_clock.advance(seconds=31)
        assert car.plan() == "premium"
        assert asked == ["SELECT 1"] * 2


def test_an_expired_token_of_a_former_unit_is_no_better(car, monkeypatch) -> None:
    monkeypatch.setattr(access, "_believed_until", 0)
    now = int(clock.unix())
    car.token = credentials.issue(car.vehicle, now - 5)
    car.vehicle.credential_generation = 2
    car.vehicle.save()
    subjects.bump([car.vehicle.id], now=clock.now())
    tell()
    with no_database():
        assert car.check().status_code == 401


# Behind


def put(site: redis.Redis, car: Car, **changed) -> None:
    """Put at the site what it was told before."""
    [now] = rows.load([car.vehicle.id])
    before = now._replace(**changed)
    site.set(key_of(car), packing.encode(before, traits.number(before.traits)))


def test_a_site_that_is_behind_the_car_asks_the_rows(car, site) -> None:
    assert car.plan() == "premium"
    put(site, car, version=1, grants=())
    answer = car.check()
    assert answer.status_code == 304
    assert snapshots.decode(car.vehicle.id, site.get(key_of(car))).version == 2


def test_a_car_is_never_sent_backwards(car, site) -> None:
    epoch, horizon = "2950", "0"
    assert car.plan() == "premium"
    for version, catalog in ((3, 1), (2, 2), (9_007_199_254_740_991, 1)):
        tag = f'"{version}.{catalog}.{epoch}.{horizon}"'
        for sent in (tag, f"W/{tag}", f'"x", {tag}'):
            answer = car.call("GET", CHECK, if_none_match=sent)
            come_back(answer)
            assert body(answer)["type"].endswith(":behind")


def test_behind_and_no_database_is_come_back_too(car, site) -> None:
    assert car.plan() == "premium"
    put(site, car, version=1, grants=())
    with no_database():
        come_back(car.check())


def test_a_new_unit_is_let_in_though_its_site_is_behind(car, site) -> None:
    unit = Ed25519PrivateKey.generate()
    raw = unit.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    former = Car(car.vehicle, car.key, car.token)
    keys.replace_key(
        vehicle_id=car.vehicle.id,
        public_key=base64.urlsafe_b64encode(raw).rstrip(b"=").decode(),
        reason="swapped",
        actor=make_user(),
        now=clock.now(),
    )
    tell()
    assert former.check().status_code == 401  # at once
    put(site, car, version=2, generation=1)
    swapped = Car(car.vehicle, unit)
    assert swapped.sign_in().status_code == 200
    assert swapped.plan() == "premium"
    assert former.check().status_code == 401


# Compare and set


def test_redis_refuses_an_older_write_and_takes_an_equal_one(car, site) -> None:
    [current] = rows.load([car.vehicle.id])
    older = snapshots.Snapshot(car.vehicle.id, 1, 1, False, current.traits, (), ())
    snapshots.write("local", [current])
    snapshots.write("local", [older])
    assert snapshots.decode(car.vehicle.id, site.get(key_of(car))) == current
    equal = snapshots.Snapshot(car.vehicle.id, 2, 5, False, current.traits, (), ())
    snapshots.write("local", [equal])
    assert snapshots.decode(car.vehicle.id, site.get(key_of(car))) == equal


def test_versions_are_compared_as_numbers(car, site) -> None:
    def snapshot(version: int) -> snapshots.Snapshot:
        return snapshots.Snapshot(car.vehicle.id, version, 1, False, frozenset(), (), ())

    for version, stored in ((9, 9), (10, 10), (9, 10), (2**53 - 1, 2**53 - 1), (2**53 - 2, None)):
        snapshots.write("local", [snapshot(version)])
        found = snapshots.decode(car.vehicle.id, site.get(key_of(car))).version
        assert found == (stored or 2**53 - 1)


def test_an_older_catalogue_is_refused(site) -> None:
    snapshots.write_catalog("local", 7, {"n": 7})
    snapshots.write_catalog("local", 6, {"n": 6})
    assert site.get("catalog:2") == b'7 {"n":7}'
    snapshots.write_catalog("local", 10, {"n": 10})
    assert site.get("catalog:2") == b'10 {"n":10}'


def test_a_snapshot_comes_back_as_it_went_in(car, site) -> None:
    [current] = rows.load([car.vehicle.id])
    snapshots.write("local", [current])
    assert snapshots.decode(car.vehicle.id, site.get(key_of(car))) == current
