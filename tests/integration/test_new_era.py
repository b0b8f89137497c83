"""`manage.py new_era`: after a restore no car and no site stays ahead of the rows."""

from io import StringIO
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from billing import clock, locks, queries, subjects
from billing.models import Subject
from fleet import delivery, pace, packing, rotation, snapshots
from fleet.models import Era
from tests.factories import Car, body, make_car

pytestmark = pytest.mark.django_db
AWAY = "redis://localhost:1/0"
RAISE = 2**32


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of two, each of which is shown."""
    monkeypatch.setattr("fleet.management.commands.new_era.EVERY", 0)
    given = subjects.raise_versions
    monkeypatch.setattr(subjects, "raise_versions", lambda *a, **k: given(*a, **k, limit=2))


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("new_era", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        command(*arguments)
    return caught.value


def versions() -> list[int]:
    return sorted(Subject.objects.values_list("version", flat=True))


def numbers() -> list[int]:
    """Of what holds for all cars."""
    return [queries.catalog_document()[0], pace.current()[0], rotation.current()[0]]


def contents() -> list[Any]:
    return [queries.catalog_document()[1], pace.current()[1], rotation.current()[1]]


def changed(car: Car, times: int) -> None:
    for _ in range(times):
        subjects.bump([car.vehicle.id], now=clock.now())
    delivery.publish("local", now=clock.now())


def restored(car: Car, version: int) -> None:
    """PostgreSQL is as it was when the car's version was this."""
    Subject.objects.filter(id=car.vehicle.id).update(version=version)


def at_site(car: Car) -> int:
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        return packing.version(site.get(snapshots.key(car.vehicle.id.bytes)))


def test_every_version_is_raised_once_and_every_site_has_it() -> None:
    rotation.settle(now=clock.now())
    cars = [make_car() for _ in range(5)]
    changed(cars[0], 6)
    before, said = numbers(), contents()
    told = command()
    assert versions() == [RAISE + 1] * 4 + [RAISE + 7]
    assert numbers() == [number + RAISE for number in before]
    assert contents() == said, "only the numbers are others"
    assert [at_site(car) for car in cars] == [RAISE + 7] + [RAISE + 1] * 4
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        stored = [site.get(key) for key in (snapshots.CATALOG, snapshots.PACE, snapshots.LEASES)]
    assert [snapshots.read_document(value)[0] for value in stored] == numbers()
    assert "4 of about 5 versions are raised." in told
    assert "local: has all 5 cars." in told


def test_a_car_that_was_ahead_of_the_backup_goes_forward() -> None:
    """Before it the car is told to come back, and its report is one of a version never issued."""
    car = make_car()
    car.sign_in()
    changed(car, 9)
    assert body(car.check())["version"] == 10
    restored(car, 3)
    with redis.Redis.from_url(django_settings.SITES["local"]) as site:
        site.flushall()
    assert car.check().status_code == 503
    assert car.report().status_code == 422
    command()
    assert car.report().status_code == 204
    told = car.check()
    assert (told.status_code, body(told)["version"]) == (200, RAISE + 3)
    assert car.report().status_code == 204
    assert car.check().status_code == 304


def test_a_second_time_is_refused_in_words() -> None:
    make_car()
    command()
    said = str(refused())
    assert "There was a new era already" in said
    assert "say --again" in said
    assert versions() == [RAISE + 1]
    command("--again")
    assert versions() == [2 * RAISE + 1]
    assert Era.objects.count() == 2


@pytest.mark.parametrize("times", range(1, 4))
def test_stopped_anywhere_it_goes_on_and_raises_none_twice(monkeypatch, times: int) -> None:
    for _ in range(5):
        make_car()
    given, calls = subjects.raise_versions, []

    def stop(*arguments: Any, **more: Any) -> Any:
        raised = given(*arguments, **more)
        calls.append(raised)
        if len(calls) == times:
            raise KeyboardInterrupt  # after the statement, before its transaction has ended
        return raised

    with monkeypatch.context() as patched:
        patched.setattr(subjects, "raise_versions", stop)
        said = refused()
    assert said.returncode == 130
    assert "goes on where it was" in str(said)
    assert versions() == [1] * (7 - 2 * times) + [RAISE + 1] * (2 * times - 2)
    before = numbers()
    command()
    assert versions() == [RAISE + 1] * 5
    assert numbers() == before


def test_a_site_that_is_away_does_not_keep_the_others_from_it(settings) -> None:
    car = make_car()
    settings.SITES = {"away": AWAY, **django_settings.SITES}
    said = str(refused())
    assert "away: its Redis does not answer" in said
    assert "manage.py rebuild_snapshots --restart" in said
    assert at_site(car) == RAISE + 1
    assert Era.objects.get().finished_at is not None


def test_while_somebody_is_at_it_nobody_else_is(monkeypatch) -> None:
    monkeypatch.setattr(locks, "only_one", lambda _: _Taken())
    assert "Let it end" in str(refused())
    assert not Era.objects.exists()


class _Taken:
    def __enter__(self) -> bool:
        return False

    def __exit__(self, *_: object) -> None:
        pass
