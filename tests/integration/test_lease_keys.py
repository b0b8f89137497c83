"""Lease keys over their life: who signs and what is published, at every edge, and the command."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from jwt.types import Options

from billing import clock
from connectivity.stalls import stalls
from fleet import lease, rotation, signing, snapshots, tasks
from fleet.models import DomainEvent, LeaseSchedule
from tests.factories import Car, body, call, make_car

pytestmark = pytest.mark.django_db
A, B, C = (
    base64.urlsafe_b64encode(bytes([number]) * 32).rstrip(b"=").decode() for number in (1, 2, 3)
)
KEYS = "/vehicle/v1/keys"


@pytest.fixture(autouse=True)
def _moving(moving_clock) -> None:
    """The schedule goes by the product's clock."""


@pytest.fixture
def environment(settings):
    def choose(*seeds: str) -> None:
        settings.LEASE_SIGNING_KEYS = list(seeds)

    choose(A)
    return choose


def kid(seed: str, settings) -> str:
    before, settings.LEASE_SIGNING_KEYS = settings.LEASE_SIGNING_KEYS, [seed]
    [name] = signing.seeds()
    settings.LEASE_SIGNING_KEYS = before
    return name


@pytest.fixture
def names(settings, environment) -> dict[str, str]:
    return {kid(seed, settings): name for seed, name in ((A, "A"), (B, "B"), (C, "C"))}


def published(names) -> str:
    return "".join(sorted(names[key["kid"]] for key in body(call("GET", KEYS))["keys"]))


def signer(car: Car, names) -> str:
    """Whose lease a car gets that holds nothing; it is good by the published keys."""
    token = body(car.call("GET", "/vehicle/v1/entitlement"))["lease"]
    name = jwt.get_unverified_header(token)["kid"]
    key = jwt.PyJWKSet.from_dict(body(call("GET", KEYS)))[name].key
    options: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    assert jwt.decode(token, key, algorithms=["EdDSA"], options=options)["sub"] == car.vehicle.vin
    return str(names[name])


def run(*arguments: str, capsys) -> str:
    call_command("rotate_lease_keys", *arguments)
    return str(capsys.readouterr().out)


@pytest.fixture
def car() -> Car:
    tasks.sweep()
    car = make_car()
    car.sign_in()
    return car


def sign_in_again(car: Car) -> None:
    assert car.sign_in().status_code == 200


def test_a_single_key_is_current_and_a_sweep_puts_it_on_record(names, car) -> None:
    assert signer(car, names) == "A"
    assert published(names) == "A"
    [row] = LeaseSchedule.objects.all()
    assert signing.parse(row.content).keys[0].kid in names
    tasks.sweep()
    assert LeaseSchedule.objects.count() == 1


def test_a_rotation_from_next_to_previous_to_gone(
    names, car, environment, moving_clock, capsys
) -> None:
    environment(B, A)
    tasks.sweep()
    assert (signer(car, names), published(names)) == ("A", "AB")
    said = run(capsys=capsys)
    assert "signs from" in said
    assert "current: signs since" in said
    assert "next: signs from" in said
    lead = int(rotation.LEAD.total_seconds())
    moving_clock.advance(seconds=lead - 60)
    sign_in_again(car)
    assert (signer(car, names), published(names)) == ("A", "AB")
    moving_clock.advance(seconds=60)
    assert (signer(car, names), published(names)) == ("B", "AB")
    environment(B)
    assert published(names) == "AB"
    assert "previous: published until" in run("--show", capsys=capsys)
    moving_clock.advance(seconds=signing.LIFETIME + signing.SLACK)
    sign_in_again(car)
    assert (signer(car, names), published(names)) == ("B", "B")


def test_running_it_twice_changes_nothing_the_second_time(names, car, environment, capsys) -> None:
    environment(B, A)
    run(capsys=capsys)
    before = LeaseSchedule.objects.count()
    assert "already" in run(capsys=capsys)
    assert LeaseSchedule.objects.count() == before
    assert DomainEvent.objects.filter(kind="lease_key_scheduled").count() == 1


def test_without_a_new_key_it_says_what_to_do(names, car, capsys) -> None:
    said = run(capsys=capsys)
    assert "put a new seed first" in said
    assert rotation.schedule().keys[-1].since <= clock.unix()


def test_the_oldest_of_two_new_keys_is_the_next(names, car, environment, moving_clock) -> None:
    environment(C, B, A)
    key, _ = rotation.rotate(now=clock.now())
    assert key is not None
    assert names[key.kid] == "B"
    assert published(names) == "ABC"


def test_a_key_that_was_simply_replaced_takes_over_and_the_old_one_stays_published(
    names, car, environment
) -> None:
    environment(B)
    assert signer(car, names) == "B"
    tasks.sweep()
    assert published(names) == "AB"
    environment(A)  # An edge that is not restarted yet.
    assert published(names) == "AB"
    assert signer(car, names) == "A"


def test_deployed_in_any_order_no_edge_gives_a_lease_that_another_one_voids(
    names, car, environment, moving_clock
) -> None:
    environment(B, A)
    rotation.rotate(now=clock.now())
    tasks.sweep()
    for _ in range(8):
        for signing_edge in ((A,), (B, A), (B,)):
            environment(*signing_edge)
            sign_in_again(car)
            by = signer(car, names)
            for asked_edge in ((A,), (B, A), (B,)):
                environment(*asked_edge)
                assert by in published(names)
        moving_clock.advance(days=1)


def test_a_process_that_lacks_the_coming_key_is_degraded_in_time(names, car, environment) -> None:
    environment(B, A)
    rotation.rotate(now=clock.now())
    assert stalls(clock.now()) == []
    environment(A)
    [stall] = stalls(clock.now())
    assert stall.what == "lease_keys"
    assert "LEASE_SIGNING_KEYS" in stall.what_to_do
    environment(B)
    assert stalls(clock.now()) == []


def test_an_edge_without_any_key_that_may_sign_says_so(
    names, car, environment, moving_clock
) -> None:
    environment(B, A)
    rotation.rotate(now=clock.now())
    tasks.sweep()
    environment(A)
    moving_clock.advance(seconds=int(rotation.LEAD.total_seconds()) + signing.SLACK)
    sign_in_again(car)
    assert car.check().status_code == 503


def test_an_emergency_removal_gives_every_car_another_name_and_another_key(
    names, car, environment, settings, capsys
) -> None:
    environment(B, A)
    tasks.sweep()
    car.check()
    assert car.check().status_code == 304
    before = car.etag
    leaked = kid(A, settings)
    assert "is removed" in run("--emergency-remove", leaked, "--reason", "leaked", capsys=capsys)
    assert car.check().status_code == 200
    version, catalog, epoch, horizon = car.etag.strip('"').split(".")
    assert before == f'"{version}.{catalog}.{int(epoch) - 1}.{horizon}"'
    assert car.check().status_code == 304
    assert (signer(car, names), published(names)) == ("B", "B")
    assert DomainEvent.objects.get(kind="lease_key_removed").data["reason"] == "leaked"
    assert "before" in run("--emergency-remove", leaked, capsys=capsys)
    assert car.check().status_code == 304, "running it twice raises no epoch twice"
    environment(A, B)
    tasks.sweep()
    assert (signer(car, names), published(names)) == ("B", "B")


def test_a_previous_key_is_removed_and_the_current_one_goes_on(
    names, car, environment, moving_clock, settings
) -> None:
    environment(C, B, A)
    rotation.rotate(now=clock.now())
    moving_clock.advance(seconds=int(rotation.LEAD.total_seconds()))
    sign_in_again(car)
    tasks.sweep()
    rotation.remove(kid=kid(A, settings), reason="", now=clock.now())
    tasks.sweep()
    assert (signer(car, names), published(names)) == ("B", "BC")


def test_the_only_key_is_not_removed(names, car, settings) -> None:
    with pytest.raises(CommandError, match="every car would be left without a lease"):
        call_command("rotate_lease_keys", "--emergency-remove", kid(A, settings))
    assert (signer(car, names), published(names)) == ("A", "A")


def test_a_key_that_is_not_ours_is_not_removed(names, car) -> None:
    with pytest.raises(CommandError, match="No key 'nonsense' is published"):
        call_command("rotate_lease_keys", "--emergency-remove", "nonsense")
    assert rotation.schedule().raised == 0


def test_two_at_once_do_not_both_change_it(names, car, environment, monkeypatch) -> None:
    environment(B, A)

    class Taken:
        def __enter__(self) -> bool:
            return False

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr("billing.locks.only_one", lambda _name: Taken())
    with pytest.raises(CommandError, match="Run it again"):
        call_command("rotate_lease_keys")
    assert len(rotation.schedule().keys) == 1


def test_a_site_that_is_away_is_told_by_the_sweep(names, car, environment, settings, capsys):
    environment(B, A)
    sites = settings.SITES
    settings.SITES = {"local": "redis://localhost:1/0"}
    call_command("rotate_lease_keys")
    assert "does not answer" in capsys.readouterr().err
    settings.SITES = sites
    tasks.sweep()
    stored = snapshots.read_lease_schedule()
    assert stored is not None
    assert signing.parse(stored) == rotation.schedule()


@pytest.mark.parametrize("poison", [None, b"", b"x", b"1 7", b'1 {"keys": 7}', b"1 []"])
def test_a_site_without_a_schedule_that_can_be_read_never_brings_a_removed_key_back(
    names, car, environment, settings, poison
) -> None:
    environment(A, B)
    rotation.remove(kid=kid(A, settings), reason="", now=clock.now())
    tasks.sweep()
    with redis.Redis.from_url(settings.SITES["local"]) as site:
        if poison is None:
            site.delete(snapshots.LEASES)
        else:
            site.set(snapshots.LEASES, poison)
        assert (signer(car, names), published(names)) == ("B", "B")
        stored = snapshots.read_document(site.get(snapshots.LEASES))
    assert stored == rotation.current()


def test_with_the_site_away_the_rows_say_it(names, car, environment, settings) -> None:
    environment(A, B)
    rotation.remove(kid=kid(A, settings), reason="", now=clock.now())
    settings.SITES = {"local": "redis://localhost:1/0"}
    assert (signer(car, names), published(names)) == ("B", "B")


def test_an_older_schedule_never_replaces_a_newer_one(names, car, environment, settings) -> None:
    environment(A, B)
    before = rotation.current()
    rotation.remove(kid=kid(A, settings), reason="", now=clock.now())
    tasks.sweep()
    snapshots.write_lease_schedule("local", *before)
    assert published(names) == "B"


def test_neither_the_check_nor_the_keys_ask_postgresql(names, car) -> None:
    car.check()
    with CaptureQueriesContext(connection) as asked:
        assert signer(car, names) == "A"
        assert car.check().status_code == 304
    assert len(asked) == 0


def test_the_turn_of_the_epoch_brings_a_new_lease_and_nothing_else(car, moving_clock) -> None:
    car.check()
    now = int(clock.unix())
    turn = lease.turn(car.vehicle.id, now)
    held = json.loads(car.call("GET", "/vehicle/v1/entitlement").content)
    moving_clock.advance(seconds=turn - now - 30)
    sign_in_again(car)
    assert car.check().status_code == 304
    moving_clock.advance(seconds=30)
    fresh = car.check()
    assert fresh.status_code == 200
    assert {**body(fresh), "lease": ""} == {**held, "lease": ""}
    claims = jwt.decode(body(fresh)["lease"], options={"verify_signature": False})
    assert claims["exp"] - clock.unix() > timedelta(days=33).total_seconds()
    assert car.check().status_code == 304
