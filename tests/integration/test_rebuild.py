"""`manage.py rebuild_snapshots`: a site has all cars again, whatever happens on the way."""

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.utils import OperationalError

from billing import clock, grants
from billing.models import Grant
from fleet import pace, packing, rebuild, rotation, rows, snapshots, traits
from fleet.models import Vehicle
from fleet.rebuild import Point
from fleet.snapshots import Snapshot
from tests.factories import make_car

pytestmark = pytest.mark.django_db
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
CARS = 7


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two: the last of seven cars is alone in its own."""
    monkeypatch.setattr(rebuild, "BATCH", 2)


@pytest.fixture
def site() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(django_settings.SITES["local"]) as client:
        yield client


@pytest.fixture
def cars() -> list[Snapshot]:
    """Cars of many kinds, as the rows have them."""
    ids = [make_car(market=market).vehicle.id for market in ("US", "DE", "FR", "US", "DE", "NO")]
    ids.append(make_car(removed_at=clock.now(), credential_generation=3).vehicle.id)
    sources = ("factory", "trial", "goodwill")
    for number, vehicle_id in enumerate(ids):
        for at in range(number):  # none, two, and more than fit into the short format
            start = BEGAN + timedelta(days=at)
            end = start + timedelta(days=30) if at % 2 else None
            plan = "premium" if number != 3 else "of yesterday"
            source = sources[at % 3]
            grants.give(grants.Gift(vehicle_id, plan, source, start, end), now=clock.now())
    return sorted(rows.load(ids), key=lambda car: car.vehicle_id)


def run(*, restart: bool = False, show: rebuild.Show = lambda _: None) -> int:
    return rebuild.rebuild("local", restart=restart, show=show)


def stored(site: redis.Redis, cars: list[Snapshot]) -> list[Snapshot | None]:
    """What a fresh edge would read: it knows no set of traits, but for the site's own words."""
    words = site.hgetall(snapshots.TRAITS)
    sets = {int(number): frozenset(json.loads(text)) for number, text in words.items()}
    values: list[Any] = [site.get(snapshots.key(car.vehicle_id.bytes)) for car in cars]
    pairs = zip(cars, values, strict=True)
    return [packing.decode(c.vehicle_id, bytes(v), sets) if v else None for c, v in pairs]


def of_version(car: Snapshot, version: int) -> Snapshot:
    """The car with another version, and without grants."""
    return Snapshot(car.vehicle_id, version, car.generation, car.removed, car.traits, (), ())


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("rebuild_snapshots", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        command(*arguments)
    return caught.value


class Killed(BaseException):
    """The process is no more."""


def killed(monkeypatch: pytest.MonkeyPatch, number: int, *, told: bool) -> None:
    """A rebuild whose process ends at its so-many-th word to the site, heard or not."""
    say = rebuild._Writer._say
    said = 0

    def die(self: Any, commands: Any) -> Any:
        nonlocal said
        said += 1
        if said == number and not told:
            raise Killed
        answer = say(self, commands)
        if said == number:
            raise Killed
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(rebuild._Writer, "_say", die)
        with pytest.raises(Killed):
            run()


# What it does


def test_an_empty_site_has_everything_afterwards(cars, site) -> None:
    assert run() == CARS
    assert stored(site, cars) == cars
    assert site.get(snapshots.CATALOG).startswith(b"1 ")
    assert snapshots.read_document(site.get(snapshots.PACE)) == pace.current()
    assert snapshots.read_document(site.get(snapshots.LEASES)) == rotation.current()
    assert site.get(rebuild.POINT) == rebuild.WHOLE
    assert run() == CARS, "the next one begins anew"


def test_without_a_car_there_is_nothing_to_do(site) -> None:
    assert run() == 0
    assert site.exists(snapshots.CATALOG)


def test_what_is_newer_stays_and_what_is_older_poisoned_or_of_another_type_goes(cars, site) -> None:
    keys = [snapshots.key(car.vehicle_id.bytes) for car in cars]
    newer = of_version(cars[0], cars[0].version + 1)
    older = of_version(cars[1], 0)
    snapshots.write("local", [newer, older])
    site.set(keys[2], b"garbage")
    site.rpush(keys[3], "garbage")
    site.set("something else", "stays")
    run()
    assert stored(site, cars) == [newer, *cars[1:]]
    assert site.get("something else") == b"stays"


def test_what_changes_meanwhile_is_not_overwritten(cars, site) -> None:
    """The worker publishes a car that was read before its change and not yet written."""
    newer = of_version(cars[2], cars[2].version + 1)

    def publish(point: Point) -> None:
        if point.done == 2:
            snapshots.write("local", [newer])

    run(show=publish)
    assert stored(site, cars) == [*cars[:2], newer, *cars[3:]]


def test_it_asks_once_for_a_batch(cars, site, monkeypatch) -> None:
    for car in cars:
        traits.number(car.traits)
    batches: list[Any] = []
    others: list[Any] = []
    read = rebuild._read

    def count(*given: Any) -> Any:
        batches.append(given)
        return read(*given)

    def count_others(execute: Any, *given: Any) -> Any:
        others.append(given)
        return execute(*given)

    monkeypatch.setattr(rebuild, "_read", count)
    with connection.execute_wrapper(count_others):
        run()
    assert len(batches) == 4 + 1, "the last one is empty"
    assert len(others) == 5, "the lock, the lease keys, the catalogue, the pace, the lock again"


# Stopped, and gone on with


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("number", range(2, 9))
def test_killed_at_any_word_it_goes_on_from_there(cars, site, monkeypatch, number, told) -> None:
    killed(monkeypatch, number, told=told)
    there = [each for each in stored(site, cars) if each]
    point = site.get(rebuild.POINT) or rebuild.WHOLE
    kept = 0 if point == rebuild.WHOLE else json.loads(point)[1]
    assert there == cars[: len(there)]
    assert len(there) - 2 <= kept <= len(there) or number == 8, "one batch at most is told again"
    shown: list[Point] = []
    assert run(show=shown.append) == CARS - kept
    assert shown[0].done == kept
    assert stored(site, cars) == cars


def test_restart_begins_anew(cars, site, monkeypatch) -> None:
    killed(monkeypatch, 5, told=True)
    assert run(restart=True) == CARS


@pytest.mark.parametrize("at", [0, 2, 4, 6, 7])
def test_a_site_that_is_emptied_meanwhile_still_has_all_in_the_end(cars, site, at) -> None:
    emptied: list[int] = []

    def empty(point: Point) -> None:
        if point.done == at and not emptied:
            site.flushall()
            emptied.append(at)

    run(show=empty)
    assert emptied
    assert stored(site, cars) == cars
    assert site.exists(snapshots.CATALOG)


@pytest.mark.parametrize("point", [b"", b"noise", b"[1]", b'["x", 2]', b"[[[[", b"\xff"])
def test_a_point_that_nobody_can_read_is_the_beginning(cars, site, point) -> None:
    site.set(rebuild.POINT, point)
    assert run() == CARS


# What it says


def test_it_says_how_far_it_is_and_what_it_did(cars, site, monkeypatch) -> None:
    monkeypatch.setattr("fleet.management.commands.rebuild_snapshots.EVERY", 0)
    told = command("--site", "local").splitlines()
    assert "29%  2 of about 7 cars" in told[1]
    assert "a second, 0:00:0" in told[1]
    assert told[-1].startswith("local: has all 7 cars. It took 0.")
    assert stored(site, cars) == cars
    assert command("--verbosity", "0") == ""


def test_it_says_that_it_goes_on(cars, monkeypatch) -> None:
    killed(monkeypatch, 5, told=True)
    told = command()
    assert "local: goes on behind 4 cars." in told
    assert "local: has all 7 cars, 4 of them from before." in told


def test_it_says_that_the_site_was_emptied(cars, site, monkeypatch) -> None:
    write = rebuild._Writer.write

    def empty(self: Any, point: Point, commands: Any) -> bool:
        if point.done == 4:
            monkeypatch.undo()
            site.flushall()
        return write(self, point, commands)

    monkeypatch.setattr(rebuild._Writer, "write", empty)
    monkeypatch.setattr(rebuild, "BATCH", 2)
    told = command()
    assert "local: was emptied meanwhile. It begins anew." in told
    assert "local: has all 7 cars. It took" in told


def test_stopped_by_hand_it_says_how_to_go_on(cars, monkeypatch) -> None:
    def stop(self: Any, point: Point) -> None:
        self.point = point
        if point.done == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr("fleet.management.commands.rebuild_snapshots.Progress.__call__", stop)
    said = refused()
    assert said.returncode == 130
    assert str(said) == (
        "local: stopped. 4 of about 7 cars are written. To go on there: manage.py "
        "rebuild_snapshots --site local; to begin anew, add --restart."
    )


def test_it_refuses_a_site_that_is_not_there() -> None:
    assert str(refused("--site", "mars")) == (
        "There is no site 'mars' in SITES. These are there: local."
    )


def test_one_site_that_is_away_does_not_keep_the_others_waiting(cars, site, settings) -> None:
    settings.SITES = {"away": "redis://localhost:1/0", **django_settings.SITES}
    assert str(refused()) == (
        "away: its Redis does not answer; see SITES. Nothing was written this time; run it again."
    )
    assert stored(site, cars) == cars


def test_it_says_when_postgresql_is_away(cars, monkeypatch) -> None:
    def away(*_given: Any) -> None:
        raise OperationalError("the server is gone\nand more")

    monkeypatch.setattr(rebuild, "_read", away)
    assert str(refused()) == (
        "local: PostgreSQL does not answer (the server is gone). Nothing was written this time; "
        "run it again."
    )


def test_it_says_when_the_site_takes_nothing(cars, site) -> None:
    site.config_set("maxmemory", 1)
    try:
        assert str(refused()).startswith("local: its Redis refuses: OOM command not allowed")
    finally:
        site.config_set("maxmemory", 0)


def test_two_do_not_rebuild_one_site_at_once(cars) -> None:
    with psycopg.connect(connection.connection.info.dsn, autocommit=True) as other:
        key = zlib.crc32(b"fleet.rebuild:local")
        other.execute("SELECT pg_advisory_lock(%s)", [key])
        assert str(refused()) == "local: somebody else rebuilds it just now. Let it end."


def test_many_cars_are_estimated(cars, monkeypatch) -> None:
    monkeypatch.setattr(rebuild, "COUNTED", -2)
    assert rebuild.estimate() < CARS  # Nobody has analysed the table within this transaction.
    monkeypatch.undo()
    assert rebuild.estimate() == CARS == Vehicle.objects.count()
    assert Grant.objects.count() == sum(range(CARS))
