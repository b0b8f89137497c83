"""The scrub and the watch: what a site lacks is found and told again, whoever believes what."""

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings

from billing import clock, subjects
from billing.models import Change, Subject
from connectivity.stalls import stalls
from fleet import delivery, packing, rebuild, rows, scrub, sites, snapshots, tasks
from fleet.models import Delivery, SiteState
from tests import staffed
from tests.factories import Car, make_car

pytestmark = pytest.mark.django_db
AWAY = "redis://localhost:1/0"


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call compares four vehicles, two at once."""
    monkeypatch.setattr(scrub, "LEAST", 4)
    monkeypatch.setattr(scrub, "AT_ONCE", 2)


@pytest.fixture
def site() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(django_settings.SITES["local"]) as client:
        yield client


@pytest.fixture
def cars() -> list[Car]:
    """Seven cars of version 3 that the site knows; one was removed."""
    made = [make_car() for _ in range(6)] + [make_car(removed_at=clock.now())]
    for _ in range(2):
        subjects.bump([car.vehicle.id for car in made], now=clock.now())
    delivery.publish("local", now=clock.now())
    return made


def versions(site: redis.Redis, cars: list[Car]) -> list[int]:
    values: list[Any] = [site.get(snapshots.key(car.vehicle.id.bytes)) for car in cars]
    return [packing.version(value) if value else -1 for value in values]


def leave_at(car: Car, version: int) -> None:
    """The site has another version of the car, whatever it had."""
    [now] = rows.load([car.vehicle.id])
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        site.delete(snapshots.key(car.vehicle.id.bytes))
    snapshots.write("local", [now._replace(version=version)])


def round_of() -> int:
    """Compare all cars; return in how many calls."""
    for calls in range(1, 10):
        scrub.scrub("local", now=clock.now())
        if SiteState.objects.get().scrub_after == scrub.FIRST:
            return calls
    raise AssertionError("it does not come to an end")


def state() -> SiteState:
    return SiteState.objects.get(name="local")


# The scrub


def test_it_tells_nothing_that_a_site_has(cars) -> None:
    assert round_of() == 2
    assert (state().compared, state().resent, state().ahead) == (7, 0, 0)
    assert not Change.objects.exists()


def test_what_is_missing_behind_or_noise_is_told_again(cars, site) -> None:
    leave_at(cars[0], 2)
    site.delete(snapshots.key(cars[2].vehicle.id.bytes))
    site.set(snapshots.key(cars[3].vehicle.id.bytes), b"noise")
    site.delete(snapshots.key(cars[4].vehicle.id.bytes))
    site.rpush(snapshots.key(cars[4].vehicle.id.bytes), "of another type")
    site.set(snapshots.key(cars[5].vehicle.id.bytes), b"\xff" * 32)
    site.delete(snapshots.key(cars[6].vehicle.id.bytes))
    round_of()
    assert state().resent == 6
    assert Change.objects.count() == 6
    tasks.publish("local")
    assert versions(site, cars) == [3] * 7
    assert snapshots.decode(
        cars[6].vehicle.id, site.get(snapshots.key(cars[6].vehicle.id.bytes))
    ).removed, "the tombstone too"


def test_each_call_goes_on_where_the_last_one_stopped(cars) -> None:
    assert scrub.scrub("local", now=clock.now()) == 4
    ids = sorted(car.vehicle.id for car in cars)
    assert state().scrub_after == ids[3]
    assert scrub.scrub("local", now=clock.now()) == 3
    assert state().scrub_after == scrub.FIRST
    assert state().scrub_ended_at is not None


def test_all_are_compared_within_six_hours_though_half_the_calls_are_lost() -> None:
    for vehicles in (0, 1, 1_001, 1_000_000, 5_000_000):
        calls = -(-vehicles // scrub.share(vehicles)) + 1
        assert calls * 2 * scrub.EVERY <= scrub.LATE + 4 * scrub.EVERY
    beat: Any = django_settings.CELERY_BEAT_SCHEDULE["fleet-compare"]["schedule"]
    assert timedelta(seconds=beat) == scrub.EVERY


def test_what_waits_to_be_told_is_not_told_twice(cars) -> None:
    subjects.bump([cars[0].vehicle.id], now=clock.now())
    Subject.objects.filter(id=cars[1].vehicle.id).update(version=4)
    round_of()
    assert Change.objects.count() == 2, "one for each of the two"


def test_what_is_ahead_is_left_and_said_until_a_round_finds_none(cars, site, now) -> None:
    """It means that the rows were restored to an older state, and nobody began a new era."""
    leave_at(cars[5], 9)
    leave_at(cars[6], 4)
    round_of()
    assert versions(site, cars) == [3] * 5 + [9, 4]
    assert not Change.objects.exists()
    [said] = [each for each in stalls(clock.now()) if each.what == "site_ahead"]
    assert said.count == 2
    assert "manage.py new_era" in said.what_to_do
    assert set(state().examples) == {cars[5].vehicle.id, cars[6].vehicle.id}
    leave_at(cars[5], 3)
    leave_at(cars[6], 3)
    round_of()
    assert not [each for each in stalls(clock.now()) if each.what == "site_ahead"]


def test_what_changes_while_it_compares_is_not_ahead(cars, monkeypatch) -> None:
    given = snapshots.versions

    def change(site: str, ids: list) -> list[int]:
        subjects.bump(ids, now=clock.now())
        delivery.publish("local", now=clock.now())
        return given(site, ids)

    monkeypatch.setattr(snapshots, "versions", change)
    round_of()
    assert (state().resent, state().ahead_before) == (0, 0)


def test_a_site_that_is_away_keeps_its_place(cars, settings) -> None:
    scrub.scrub("local", now=clock.now())
    kept = state().scrub_after
    settings.SITES = {"local": AWAY}
    with pytest.raises(snapshots.SiteAway):
        scrub.scrub("local", now=clock.now())
    assert state().scrub_after == kept


# The watch


def test_another_server_is_compared_in_a_hurry_and_from_the_first_vehicle_on(
    cars, monkeypatch
) -> None:
    """What it lacks may be older than the changes that are told again."""

    def change_servers() -> None:
        SiteState.objects.update(server="another")
        sites.watch("local", now=clock.now())
        SiteState.objects.update(rebuilding_since=None)

    tasks.watch()
    tasks.watch()
    assert scrub.scrub("local", now=clock.now()) == 7, "a server that is new"
    assert scrub.scrub("local", now=clock.now()) == 4, "no hurry once all were compared"

    Delivery.objects.update(changed_at=clock.now() - timedelta(hours=2))
    given, lookers = snapshots.versions, [change_servers]

    def versions_of(site: str, ids: list) -> list[int]:
        found = given(site, ids)
        while lookers:
            lookers.pop()()
        return found

    monkeypatch.setattr(snapshots, "versions", versions_of)
    leave_at(min(cars, key=lambda car: car.vehicle.id), 2)
    assert scrub.scrub("local", now=clock.now()) == 0, "the server has changed on the way"
    assert state().scrub_ended_at is None
    assert scrub.scrub("local", now=clock.now()) == 7
    assert (state().resent, Change.objects.count()) == (1, 1)


def test_an_emptied_site_is_rebuilt_and_the_scrub_waits_for_it(cars, site) -> None:
    tasks.watch()  # the first look: nobody has told this site of all cars yet
    tasks.watch()
    assert state().rebuilding_since is None
    site.flushall()
    assert sites.watch("local", now=clock.now())
    assert state().rebuilding_since is not None
    assert scrub.scrub("local", now=clock.now()) == 0
    tasks.watch()
    assert versions(site, cars) == [3] * 7
    assert not sites.watch("local", now=clock.now())
    assert state().rebuilding_since is None


def test_a_rebuild_that_was_stopped_is_gone_on_with(cars, site, monkeypatch) -> None:
    monkeypatch.setattr(rebuild, "BATCH", 2)

    def stop(point: rebuild.Point) -> None:
        if point.done == 4:
            raise InterruptedError

    with contextlib.suppress(InterruptedError):
        rebuild.rebuild("local", restart=False, show=stop)
    assert json.loads(site.get(rebuild.POINT))[1] == 2
    tasks.watch()
    assert site.get(rebuild.POINT) == rebuild.WHOLE


def test_after_a_change_of_servers_the_last_hours_changes_are_told_again(cars, site) -> None:
    """A replica that lacked the last seconds was promoted: it calls itself otherwise."""
    tasks.watch()
    tasks.watch()
    old = cars[0]
    Delivery.objects.filter(vehicle=old.vehicle).update(
        changed_at=clock.now() - timedelta(minutes=61)
    )
    leave_at(cars[1], 2)
    leave_at(old, 2)
    SiteState.objects.update(server="another")
    sites.watch("local", now=clock.now())
    told = set(Change.objects.values_list("subject_id", flat=True))
    assert told == {car.vehicle.id for car in cars[1:]}
    sites.watch("local", now=clock.now())
    assert Change.objects.count() == 6, "once"
    tasks.publish("local")
    assert versions(site, cars) == [2] + [3] * 6
    round_of()
    tasks.publish("local")
    assert versions(site, cars) == [3] * 7, "the scrub finds what is older"


def test_a_site_that_is_away_is_said_to_be_and_is_only_looked_at(settings) -> None:
    settings.SITES = {"away": AWAY, **django_settings.SITES}
    began = clock.now()
    sites.watch("away", now=began)
    sites.watch("away", now=began + timedelta(minutes=5))
    assert SiteState.objects.get(name="away").away_since == began
    assert sites.present() == ["local"]
    assert [s.what for s in stalls(began + timedelta(seconds=30))] == []
    [said] = stalls(began + timedelta(seconds=90))
    assert (said.what, said.count, said.oldest_age_seconds) == ("site_away", 1, 90)
    settings.SITES = {"away": settings.SITES["local"]}
    sites.watch("away", now=clock.now())
    assert SiteState.objects.get(name="away").away_since is None


def test_a_scrub_that_is_late_is_said_to_be(cars) -> None:
    round_of()
    ended = state().scrub_ended_at
    assert ended
    assert [s.what for s in stalls(ended + timedelta(hours=5))] == []
    assert [s.what for s in stalls(ended + timedelta(hours=7))] == ["scrub"]


def test_how_each_site_stands(cars) -> None:
    subjects.bump([cars[0].vehicle.id], now=clock.now())
    Change.objects.update(created_at=clock.now() - timedelta(seconds=40))
    [standing] = sites.standings()
    assert (standing.site, standing.waiting) == ("local", 1)
    assert 40 <= standing.lag(clock.now()) < 45
    SiteState.objects.create(name="local")
    page = staffed.sign_in(staffed.make_staff()).get("/admin/fleet/sitestate/").content.decode()
    assert "not looked at yet" in page
    sites.watch("local", now=clock.now())
    round_of()
    page = staffed.sign_in(staffed.make_staff()).get("/admin/fleet/sitestate/").content.decode()
    assert "1 change, the oldest for 4" in page
    assert "is being rebuilt since" in page


@pytest.mark.django_db(transaction=True)
def test_readyz_says_how_each_site_stands(client) -> None:
    make_car()
    Change.objects.create(
        subject_id=make_car().vehicle.id,
        site="local",
        version=1,
        created_at=clock.now() - timedelta(seconds=40),
    )
    [said] = json.loads(client.get("/readyz").content)["sites"]
    assert (said["site"], said["waiting"], said["ahead"]) == ("local", 1, 0)
    assert 40 <= said["lag_seconds"] < 45
