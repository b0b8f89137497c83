"""When a car was last heard of: known to the hour, written at most once in it, in nobody's way."""

from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError, connection

from billing import clock, subjects
from fleet import contact, credentials, delivery, heard
from fleet.api import check
from fleet.desk import Desk
from tests.factories import Car, make_car

pytestmark = pytest.mark.django_db
NOW = 1_795_000_000
HOUR = 3600


@pytest.fixture
def cars() -> list[Car]:
    made = [make_car() for _ in range(3)]
    for car in made:
        car.token = credentials.issue(car.vehicle, NOW + 90 * HOUR)
    delivery.publish("local", now=clock.now())
    delivery.publish_lease_schedule("local")
    delivery.publish_catalog("local")
    return made


def last(car: Car) -> int | None:
    car.vehicle.refresh_from_db()
    at = car.vehicle.last_contact_at
    return int(at.timestamp()) if at else None


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


class Polling:
    """One car at one desk."""

    def __init__(self, desk: Desk, car: Car) -> None:
        self._desk, self._token, self._tags = desk, f"Bearer {car.token}".encode(), b""

    async def checks(self, seconds: int) -> int:
        status, head, _ = await check.answer(
            self._desk, self._token, self._tags, check.Asked, now=NOW + seconds
        )
        self._tags = dict(check.headers(head)).get(b"etag", b"")
        return status


def polling(car: Car, use) -> None:
    async def run() -> None:
        desk = Desk()
        try:
            await use(desk, Polling(desk, car))
        finally:
            await desk.close()

    async_to_sync(run)()


def test_a_car_that_only_polls_is_heard_of_once_an_hour_and_its_checks_cost_no_sql(cars) -> None:
    statements: list[str] = []

    def note(execute, sql, *rest):
        statements.append(sql)
        return execute(sql, *rest)

    async def use(desk: Desk, polled: Polling) -> None:
        assert await polled.checks(0) == 200
        for second in range(900, 5 * HOUR, 900):
            assert await polled.checks(second) == 304
            if second % HOUR == 1800:
                assert statements == []
                await desk.heard.write()
                assert ["UPDATE fleet_vehicle" in sql for sql in statements] == [True]
                statements.clear()

    with connection.execute_wrapper(note):
        polling(cars[0], use)
    assert last(cars[0]) == NOW + 4 * HOUR
    assert last(cars[1]) is None


def test_what_is_remembered_says_nothing_of_an_hour_ago(cars, monkeypatch) -> None:
    """A check from memory notes nothing, so it must not be possible for longer than an hour."""
    seen = []

    async def use(desk: Desk, polled: Polling) -> None:
        monkeypatch.setattr(desk.heard, "add", lambda _id, now: seen.append(now - NOW))
        for second in (0, 60, HOUR - 1, HOUR, HOUR + 1, 2 * HOUR + 7):
            await polled.checks(second)

    polling(cars[0], use)
    assert seen == [0, HOUR, 2 * HOUR + 7]


def test_a_former_unit_is_no_contact_of_the_car(cars) -> None:
    car = cars[0]
    car.vehicle.credential_generation = 2
    car.vehicle.save()
    subjects.bump([car.vehicle.id], now=clock.now())
    delivery.publish("local", now=clock.now())

    async def use(desk: Desk, polled: Polling) -> None:
        assert await polled.checks(0) == 401
        await desk.heard.write()

    polling(car, use)
    assert last(car) is None


def test_many_cars_are_noted_in_one_statement_and_each_once_an_hour(cars) -> None:
    heard_at = {car.vehicle.id: NOW + number for number, car in enumerate(cars)}
    assert contact.note_all(heard_at) == 3
    assert [last(car) for car in cars] == [NOW, NOW + 1, NOW + 2]
    later = {car.vehicle.id: NOW + HOUR + 1 for car in cars}
    assert contact.note_all(later) == 2
    assert [last(car) for car in cars] == [NOW + HOUR + 1, NOW + HOUR + 1, NOW + 2]
    assert contact.note_all(heard_at) == 0, "what is older changes nothing"
    assert contact.note_all({}) == 0


def test_what_cannot_be_noted_is_kept_and_noted_later(cars, monkeypatch) -> None:
    def refuse(_heard):
        raise OperationalError("the server is gone")

    async def use(desk: Desk, polled: Polling) -> None:
        assert await polled.checks(0) == 200
        with monkeypatch.context() as broken:
            broken.setattr(contact, "note_all", refuse)
            await desk.heard.write()
        assert await polled.checks(10) == 304
        await desk.heard.write()

    polling(cars[0], use)
    assert last(cars[0]) == NOW


def test_it_is_written_by_itself(cars, monkeypatch) -> None:
    monkeypatch.setattr(heard, "EVERY", 0.0)

    async def use(desk: Desk, polled: Polling) -> None:
        assert await polled.checks(0) == 200
        await polled.checks(1)
        await desk.heard.close()

    polling(cars[0], use)
    assert last(cars[0]) == NOW


@pytest.mark.parametrize(("apart", "written"), [(59, 0), (60, 1), (600, 1)])
def test_a_token_and_a_report_write_only_what_is_older_than_an_hour(cars, apart, written) -> None:
    vehicle = cars[0].vehicle
    contact.note_read([vehicle], now=at(0))
    vehicle.refresh_from_db()
    contact.note_read([vehicle], now=at(0) + timedelta(minutes=apart))
    assert last(cars[0]) == NOW + written * apart * 60
