"""Two data centres, each a Valkey of its own: cut off, frozen, promoted with older data."""

import asyncio
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection

from billing import clock, subjects
from billing.models import Change, Subject
from fleet import packing, snapshots, tasks
from fleet.models import Delivery, SiteState
from tests.factories import Car, body, make_car
from tests.underload import Site

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("data centres"),
    pytest.mark.timeout(60),
]
CARS = 40


class Centre(NamedTuple):
    """A data centre's Valkey, and where its data lie."""

    server: Site
    folder: Path


@pytest.fixture(scope="module")
def centres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Centre]]:
    made = {}
    for name in ("east", "west"):
        folder = tmp_path_factory.mktemp(name)
        made[name] = Centre(Site(folder), folder)
        answers(made[name])
    try:
        yield made
    finally:
        for centre in made.values():
            centre.server.close()


@pytest.fixture(autouse=True)
def _two_sites(centres, settings) -> Iterator[None]:
    settings.SITES = {name: centre.server.url for name, centre in centres.items()}
    yield
    for centre in centres.values():
        centre.server.mend()
        answers(centre)
        with redis.Redis.from_url(centre.server.url) as site:
            site.flushall()


@pytest.fixture
def cars() -> list[Car]:
    """Cars that both sites know, as they know all else."""
    made = [make_car() for _ in range(CARS)]
    eventually_well()
    return made


def answers(centre: Centre) -> None:
    asyncio.run(asyncio.wait_for(centre.server.answers(), 20))


def beat() -> None:
    """What worker and beat do every two seconds."""
    tasks.watch()
    tasks.sweep()


def eventually_well() -> float:
    """Let worker and beat go on until all sites have all; return how long that took."""
    began = time.monotonic()
    while True:
        beat()
        away = SiteState.objects.exclude(away_since=None, rebuilding_since=None).exists()
        if not away and not Change.objects.exists():
            return time.monotonic() - began
        assert time.monotonic() - began < 20, "it does not get well"


def bump(*cars: Car) -> None:
    subjects.bump([car.vehicle.id for car in cars], now=clock.now())


def at(site: str, cars: list[Car]) -> dict[str, int]:
    with redis.Redis.from_url(django_settings.SITES[site]) as client:
        values = client.mget([snapshots.key(car.vehicle.id.bytes) for car in cars])
    pairs = zip(cars, values, strict=True)
    return {car.vehicle.vin: packing.version(value) if value else 0 for car, value in pairs}


def in_rows(cars: list[Car]) -> dict[str, int]:
    versions = dict(Subject.objects.values_list("id", "version"))
    return {car.vehicle.vin: versions[car.vehicle.id] for car in cars}


def aside(work: Callable[[], None]) -> threading.Thread:
    """Do it in a thread with a connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_frozen_site_holds_up_no_other(centres, cars) -> None:
    """The first to find it so waits for a second, and after that nobody does but the watch."""
    centres["east"].server.freeze()  # the one that is named first
    bump(cars[0])
    assert at("west", cars[:1]) == in_rows(cars[:1])
    took = []
    for car in cars[1:20]:
        began = time.monotonic()
        bump(car)
        assert at("west", [car]) == in_rows([car])
        took.append(time.monotonic() - began)
    assert max(took) < 0.5, took
    tasks.sweep()
    assert set(Change.objects.values_list("site", flat=True)) == {"east"}
    assert Change.objects.count() == 20
    centres["east"].server.thaw()
    eventually_well()
    assert at("east", cars) == at("west", cars) == in_rows(cars)


def test_a_site_that_was_cut_off_for_an_hour_of_changes_is_equal_afterwards(
    centres, cars, moving_clock
) -> None:
    """Real changes go on all the time; the hour passes by the clock."""
    stop, dice = threading.Event(), random.Random(5)
    bumped: list[str] = []

    def change() -> None:
        while not stop.is_set():
            some = dice.sample(cars, 3)
            bump(*some)
            bumped.extend(car.vehicle.vin for car in some)

    def work() -> None:
        while not stop.is_set():
            beat()

    def until(count: int) -> None:
        goal, patience = len(bumped) + count, time.monotonic() + 20
        while len(bumped) < goal:
            assert time.monotonic() < patience
            time.sleep(0.01)

    threads = [aside(change), aside(work)]
    try:
        until(60)
        centres["west"].server.kill()
        until(60)
        moving_clock.advance(hours=1)
        until(60)
        behind = at("east", cars)
        centres["west"].server.start()
        answers(centres["west"])
        until(60)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(behind.values()) > CARS + 100, "the other went on"
    eventually_well()
    assert at("east", cars) == at("west", cars) == in_rows(cars)
    counted = {car.vehicle.vin: 1 + bumped.count(car.vehicle.vin) for car in cars}
    assert in_rows(cars) == counted, "each change is a version"
    for car in cars:
        states = dict(Delivery.objects.filter(vehicle=car.vehicle).values_list("version", "state"))
        assert states.pop(counted[car.vehicle.vin]) == "sent"
        assert set(states.values()) <= {"superseded"}


@pytest.mark.parametrize("older_than_an_hour", [False, True])
def test_a_replica_that_lacks_the_last_seconds_is_mended_and_sends_no_car_back(
    centres, cars, settings, older_than_an_hour
) -> None:
    """The site comes back with what it had before the last changes, and with another run id."""
    settings.SITE = "west"
    older = _copy(centres["west"])
    changed = cars[:10]
    for car in changed:
        bump(car)
        bump(car)
    eventually_well()
    for car in changed:
        car.sign_in()
        assert body(car.check())["version"] == 3
    if older_than_an_hour:
        Delivery.objects.update(changed_at=clock.now() - timedelta(hours=2))
    _put_back(centres["west"], older)
    assert set(at("west", changed).values()) == {1}
    for car in changed[:5]:
        said = car.check()
        assert said.status_code in (304, 503), "what it holds is the newest"
        car.etag = car.etag.replace('"3.', '"2.')  # It missed the last one.
        said = car.check()
        assert said.status_code == 503 or body(said)["version"] == 3
    lacking = {car.vehicle.vin for car in changed[5:]}
    assert {vin for vin, version in at("west", changed).items() if version == 1} == lacking, (
        "an edge that had to ask PostgreSQL has left it there"
    )
    eventually_well()
    if older_than_an_hour:
        tasks.compare()
        tasks.compare()
        tasks.publish("west")
    assert at("west", cars) == at("east", cars) == in_rows(cars)
    assert not SiteState.objects.exclude(ahead=0, ahead_before=0).exists()


def _copy(centre: Centre) -> Path:
    """A copy of what the site has now."""
    centre.server.kill()
    older = centre.folder / "older"
    shutil.rmtree(older, ignore_errors=True)
    shutil.copytree(centre.folder / "valkey-faulty", older)
    centre.server.start()
    answers(centre)
    return older


def _put_back(centre: Centre, older: Path) -> None:
    """The site goes on with the copy."""
    centre.server.kill()
    shutil.rmtree(centre.folder / "valkey-faulty")
    shutil.copytree(older, centre.folder / "valkey-faulty")
    centre.server.start()
    answers(centre)
