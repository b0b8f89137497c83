"""Publishing: each change reaches its site once it can, whoever carries it; no car is forgotten."""

import threading

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from billing import clock, locks, subjects
from billing.models import Change, Subject
from fleet import delivery, packing, snapshots, tasks
from fleet.models import Delivery, Vehicle
from tests.factories import make_car, next_vin

pytestmark = pytest.mark.django_db
AWAY = "redis://localhost:1/0"


def publish(site: str = "local", **more) -> int:
    return delivery.publish(site, now=clock.now(), **more)


def bump(*cars) -> None:
    subjects.bump([car.vehicle.id for car in cars], now=clock.now())


def versions_at(url: str) -> dict[str, int]:
    with redis.Redis.from_url(url) as site:
        found = {}
        for name in site.keys("v2:*"):
            found[name.removeprefix(b"v2:").hex()] = packing.version(site.get(name))
        return found


def at_site() -> dict[str, int]:
    return versions_at(django_settings.SITES["local"])


def states(car) -> dict[int, str]:
    return dict(Delivery.objects.filter(vehicle=car.vehicle).values_list("version", "state"))


def make_fleet(count: int) -> list[Vehicle]:
    now = clock.now()
    cars = Vehicle.objects.bulk_create(
        Vehicle(vin=next_vin(), model="model_3", hardware="mcu3", market="US", public_key="")
        for _ in range(count)
    )
    subjects.create([car.id for car in cars], now=now)
    return cars


# One site


def test_a_change_is_told_and_forgotten() -> None:
    car = make_car()
    assert states(car) == {}
    assert publish() == 1
    assert at_site() == {car.vehicle.id.hex: 1}
    assert states(car) == {1: "sent"}
    sent = Delivery.objects.get(vehicle=car.vehicle)
    assert sent.sent_at is not None
    assert sent.plan == "standard"
    assert not Change.objects.exists()
    assert publish() == 0


def test_several_changes_of_a_car_are_one_delivery_of_the_newest() -> None:
    car = make_car()
    bump(car)
    bump(car)
    assert publish() == 3
    assert at_site() == {car.vehicle.id.hex: 3}
    assert states(car) == {3: "sent"}


def test_a_newer_version_supersedes_what_was_not_confirmed() -> None:
    car = make_car()
    publish()
    bump(car)
    publish()
    assert states(car) == {1: "superseded", 2: "sent"}
    bump(car)
    publish()
    assert states(car) == {1: "superseded", 2: "superseded", 3: "sent"}


def test_each_delivery_has_a_reference_of_its_own() -> None:
    make_fleet(300)
    publish()
    references = set(Delivery.objects.values_list("reference", flat=True))
    assert len(references) == 300
    assert all(len(reference) == 11 and reference[5] == "-" for reference in references)


def test_publishing_again_after_a_lost_commit_does_no_harm() -> None:
    """The site was told, the record of it was lost: the same change is told again."""
    car = make_car()
    publish()
    Change.objects.create(
        subject_id=car.vehicle.id, site="local", version=1, created_at=clock.now()
    )
    before = Delivery.objects.get(vehicle=car.vehicle)
    assert publish() == 1
    after = Delivery.objects.get(vehicle=car.vehicle)
    assert (after.reference, after.state, after.sent_at) == (
        before.reference,
        "sent",
        before.sent_at,
    )


def test_a_subject_that_is_no_car_holds_nothing_up() -> None:
    car = make_car()
    stranger = Vehicle().id
    subjects.create([stranger], now=clock.now())
    assert publish() == 2
    assert at_site() == {car.vehicle.id.hex: 1}
    assert not Change.objects.exists()


# Away


def test_while_the_site_is_away_nothing_is_lost(settings) -> None:
    car = make_car()
    there = settings.SITES
    settings.SITES = {"local": AWAY}
    with pytest.raises(snapshots.SiteAway):
        publish()
    assert Change.objects.count() == 1
    assert states(car) == {1: "pending"}
    assert Delivery.objects.get(vehicle=car.vehicle).sent_at is None
    bump(car)
    with pytest.raises(snapshots.SiteAway):
        publish()
    settings.SITES = there
    assert publish() == 2
    assert at_site() == {car.vehicle.id.hex: 2}
    assert states(car) == {1: "superseded", 2: "sent"}


def test_one_sites_absence_does_not_hold_up_another(settings) -> None:
    settings.SITES = {"away": AWAY, "local": settings.SITES["local"]}
    car = make_car()
    tasks.sweep()
    assert at_site() == {car.vehicle.id.hex: 1}
    assert list(Change.objects.values_list("site", flat=True)) == ["away"]
    assert states(car) == {1: "sent"}


def test_each_site_is_told_each_change(settings) -> None:
    local = settings.SITES["local"]
    second = f"{local}{'&' if '?' in local else '?'}db=1"
    settings.SITES = {"local": settings.SITES["local"], "second": second}
    car = make_car()
    bump(car)
    tasks.sweep()
    assert at_site() == versions_at(second) == {car.vehicle.id.hex: 2}
    assert not Change.objects.exists()


def test_the_sweep_tells_every_site_the_catalogue(settings) -> None:
    tasks.sweep()
    with redis.Redis.from_url(settings.SITES["local"]) as site:
        assert site.get("catalog:2").startswith(b"1 {")


def test_a_removed_car_leaves_a_tombstone() -> None:
    car = make_car()
    publish()
    Vehicle.objects.filter(id=car.vehicle.id).update(removed_at=clock.now())
    bump(car)
    publish()
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        [name] = site.keys("v2:*")
        assert snapshots.decode(car.vehicle.id, site.get(name)).removed


# Many


def test_a_thousand_cars_go_out_in_batches_with_as_many_queries_as_one() -> None:
    make_car()
    with CaptureQueriesContext(
        connection,
    ) as alone:
        assert publish() == 1
    make_fleet(1_000)
    told = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as many:
            told.append(publish(limit=500))
        assert len(many) <= len(alone) + 2
    assert told == [500, 500]
    assert publish() == 0
    assert len(at_site()) == 1_001
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_the_oldest_changes_go_first() -> None:
    first, second, third = make_car(), make_car(), make_car()
    assert publish(limit=2) == 2
    assert set(at_site()) == {first.vehicle.id.hex, second.vehicle.id.hex}
    assert publish(limit=2) == 1
    assert third.vehicle.id.hex in at_site()


# At once


def in_threads(*work) -> None:
    """Run all of it at once, each with its own connection; what one raises fails the test."""
    start, errors = threading.Barrier(len(work)), []

    def run(one) -> None:
        try:
            start.wait(10)
            one()
        except Exception as error:  # noqa: BLE001 -- it is raised below, in the test's thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


@pytest.mark.django_db(transaction=True)
def test_of_several_publishers_each_change_is_carried_once(settings) -> None:
    there = settings.SITES
    settings.SITES = {"local": AWAY}  # so that nothing goes out by itself
    make_fleet(200)
    settings.SITES = there
    carried: list[int] = []

    def carry() -> None:
        while told := publish(limit=7):
            carried.append(told)

    in_threads(carry, carry, carry)
    assert sum(carried) == 200
    assert not Change.objects.exists()
    assert len(at_site()) == 200
    assert Delivery.objects.filter(state="sent").count() == 200


@pytest.mark.django_db(transaction=True)
def test_a_publisher_that_hangs_holds_up_its_own_changes_only(settings) -> None:
    there = settings.SITES
    settings.SITES = {"local": AWAY}  # so that nothing goes out by itself
    cars = make_fleet(5)
    settings.SITES = there
    took, told = threading.Event(), threading.Event()

    def hang() -> None:
        with transaction.atomic():
            assert len(subjects.unsent("local", 2)) == 2
            took.set()
            assert told.wait(5), "the other publisher waited"

    def carry() -> None:
        took.wait(5)
        assert publish() == 3
        told.set()

    in_threads(hang, carry)
    assert publish() == 2
    assert len(at_site()) == len(cars)


@pytest.mark.django_db(transaction=True)
def test_whatever_changes_meanwhile_the_site_ends_with_the_newest() -> None:
    cars = [make_car() for _ in range(4)]

    def change() -> None:
        for _ in range(10):
            bump(*cars)

    def carry() -> None:
        for _ in range(30):
            publish(limit=3)

    in_threads(change, change, carry, carry)
    tasks.sweep()
    assert not Change.objects.exists()
    assert set(Subject.objects.values_list("version", flat=True)) == {21}
    assert set(at_site().values()) == {21}
    for car in cars:
        found = states(car)
        assert found.pop(21) == "sent"
        assert set(found.values()) <= {"superseded"}


@pytest.mark.django_db(transaction=True)
def test_reports_and_publishing_at_once_lose_neither() -> None:
    car = make_car()
    car.sign_in()

    def drive() -> None:
        for _ in range(15):
            car.etag = ""
            car.check()
            assert car.report().status_code == 204

    def change() -> None:
        for _ in range(15):
            bump(car)

    in_threads(drive, change)
    tasks.sweep()
    car.etag = ""
    car.check()
    car.report()
    newest = Subject.objects.get(id=car.vehicle.id).version
    found = states(car)
    assert found.pop(newest) == "applied"
    assert set(found.values()) <= {"applied", "superseded"}


def test_of_many_publishers_one_tells_and_none_is_forgotten() -> None:
    """Who comes while another tells leaves at once; what is left is told by the next."""
    bump(make_car())
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.only_one("fleet.publish:local") as mine:
            assert mine
            held.set()
            done.wait(20)
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(20)
    try:
        tasks.publish("local")
        assert subjects.has_unsent("local")
    finally:
        done.set()
        other.join()
    tasks.publish("local")
    assert not subjects.has_unsent("local")
