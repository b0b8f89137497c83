"""The desk: what is asked together is fetched together, and what is away or slow costs a bound."""

import asyncio
import base64
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings as django_settings
from django.db import OperationalError, connection

from billing import clock, subjects
from fleet import credentials, delivery, line, loads, rows, snapshots, traits
from fleet.api import check
from fleet.desk import Desk
from fleet.loads import NotNow
from tests.factories import Car, make_car

pytestmark = pytest.mark.django_db
Use = Callable[[Desk], Awaitable[Any]]


@pytest.fixture
def site() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(django_settings.SITES["local"]) as client:
        yield client


@pytest.fixture
def cars() -> list[Car]:
    made = [make_car() for _ in range(20)]
    for car in made:
        car.token = credentials.issue(car.vehicle, int(clock.unix()) + 3600)
    delivery.publish("local", now=clock.now())
    delivery.publish_lease_schedule("local")
    delivery.publish_catalog("local")
    return made


def at_a_desk(use: Use) -> Any:
    async def run() -> Any:
        desk = Desk()
        try:
            return await use(desk)
        finally:
            await desk.close()

    return async_to_sync(run)()


async def ask(desk: Desk, car: Car, tags: str = "") -> check.Answer:
    token = f"Bearer {car.token}".encode()
    return await check.answer(desk, token, tags.encode(), check.Asked, now=int(clock.unix()))


async def ask_all(desk: Desk, cars: list[Car]) -> list[int]:
    return [status for status, _, _ in await asyncio.gather(*(ask(desk, car) for car in cars))]


@contextlib.contextmanager
def statements() -> Iterator[list[str]]:
    said: list[str] = []

    def note(execute, sql, *rest):
        said.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield said


@contextlib.contextmanager
def silent_server(path: Path) -> Iterator[str]:
    """It lets everybody in and says nothing, as a machine does that is being suspended."""

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(64)
        yield f"unix://{path}"


# Together


def test_all_who_ask_in_one_turn_share_one_round(cars, site) -> None:
    async def use(desk: Desk) -> None:
        assert await ask_all(desk, cars[:1]) == [200]
        site.config_resetstat()
        assert await ask_all(desk, cars) == [200] * len(cars)

    at_a_desk(use)
    calls = site.info("commandstats")["cmdstat_get"]["calls"]
    assert calls == len(cars) + 3, "each car, and once the catalogue, the pace, the lease keys"


def test_a_cold_site_costs_one_statement_for_all(cars, site) -> None:
    site.flushall()

    async def use(desk: Desk) -> None:
        assert await ask_all(desk, cars) == [200] * len(cars)
        assert len([sql for sql in said if "fleet_vehicle" in sql]) == 1
        assert len(said) == 4, "vehicles, catalogue, pace, lease keys"
        assert await ask_all(desk, cars) == [200] * len(cars)
        assert len(said) == 4

    with statements() as said:
        at_a_desk(use)
    assert len(site.keys("v2:*")) == len(cars)


def test_a_vehicle_is_never_loaded_twice_at_a_time(cars, monkeypatch) -> None:
    asked: list[list[UUID]] = []
    real = rows.find

    def find(ids):
        asked.append(list(ids))
        return real(ids)

    monkeypatch.setattr(rows, "find", find)

    async def use(desk: Desk) -> None:
        ids = [car.vehicle.id for car in cars]
        await asyncio.gather(*(desk.loads.vehicle(each) for each in ids * 3))

    at_a_desk(use)
    assert [len(each) for each in asked] == [len(cars)]


def test_a_site_that_is_emptied_meanwhile_is_filled_again(cars, site) -> None:
    async def use(desk: Desk) -> None:
        assert await ask_all(desk, cars) == [200] * len(cars)
        site.flushall()
        assert await ask_all(desk, cars) == [200] * len(cars)

    at_a_desk(use)
    assert len(site.keys("v2:*")) == len(cars)


# Remembered


def test_what_is_remembered_of_a_car_ends_with_the_value_it_came_from(cars, site) -> None:
    car = cars[0]

    async def use(desk: Desk) -> None:
        _, head, _ = await ask(desk, car)
        etag = dict(check.headers(head))[b"etag"].decode()
        for _ in range(3):
            assert (await ask(desk, car, etag))[0] == 304
        await sync_to_async(tell_anew)(car)
        assert (await ask(desk, car, etag))[0] == 200

    at_a_desk(use)


def test_the_site_holds_no_vin(cars, site) -> None:
    everything = b"".join(
        key + (site.get(key) if site.type(key) == b"string" else b"") for key in site.scan_iter()
    )
    assert len(everything) > 500
    for car in cars:
        assert car.vehicle.vin.encode() not in everything
        assert car.vehicle.vin[-6:].encode() not in everything


def tell_anew(car: Car) -> None:
    subjects.bump([car.vehicle.id], now=clock.now())
    delivery.publish("local", now=clock.now())


def former_token(car: Car) -> str:
    """A token as they were before they carried a VIN."""
    key = django_settings.VEHICLE_TOKEN_KEYS[0]
    expires_at = int(clock.unix()) + 60
    body = credentials._TOKEN.pack(car.vehicle.id.bytes, 1, expires_at)
    return base64.urlsafe_b64encode(body + credentials._mac(key, body)).rstrip(b"=").decode()


def test_a_token_of_the_former_form_still_counts(cars) -> None:
    car = cars[0]
    car.token = former_token(car)
    status, _, body = at_a_desk(lambda desk: ask(desk, car))
    assert status == 200
    assert json.loads(body)["vin"] == car.vehicle.vin


def test_traits_are_read_at_the_site_by_who_never_met_them(cars, monkeypatch) -> None:
    monkeypatch.setattr(traits, "known", {})

    with statements() as said:
        assert at_a_desk(lambda desk: ask_all(desk, cars)) == [200] * len(cars)
    assert said == []
    assert len(traits.known) == 1


# Away, slow, too many


def test_a_silent_site_is_waited_for_once_and_then_passed_by(cars, settings, tmp_path) -> None:
    with silent_server(tmp_path / "silent") as url:
        settings.SITES = {"local": url}

        async def use(desk: Desk) -> list[float]:
            took = []
            for _ in range(4):
                begun = time.monotonic()
                assert await ask_all(desk, cars) == [200] * len(cars)
                took.append(time.monotonic() - begun)
            return took

        first, *others = at_a_desk(use)
    assert first < line.TIMEOUT + 1
    assert max(others) < 0.5


def test_a_site_that_hangs_up_is_found_again(cars, site, monkeypatch) -> None:
    monkeypatch.setattr(line, "PAUSE", 0.05)

    async def use(desk: Desk) -> None:
        assert await ask_all(desk, cars) == [200] * len(cars)
        site.client_kill_filter(_type="normal", skipme=True)
        assert await ask_all(desk, cars) == [200] * len(cars)
        asked = len(said)
        assert asked > 0
        await asyncio.sleep(0.3)
        assert await ask_all(desk, cars) == [200] * len(cars)
        assert len(said) == asked, "the site answers again"

    with statements() as said:
        at_a_desk(use)


@contextlib.contextmanager
def no_database() -> Iterator[list[str]]:
    asked: list[str] = []

    def refuse(_execute, sql, *_args):
        asked.append(sql)
        raise OperationalError("the server is gone")

    with connection.execute_wrapper(refuse):
        yield asked


def test_without_either_postgresql_is_asked_once_and_all_are_told_to_come_back(
    cars, settings
) -> None:
    settings.SITES = {"local": "redis://localhost:1/0"}

    async def use(desk: Desk) -> list[int]:
        told = []
        for _ in range(5):
            told += await ask_all(desk, cars)
        return told

    with no_database() as asked:
        assert set(at_a_desk(use)) == {503}
    assert len(asked) <= 2


def test_only_so_many_wait_for_postgresql(cars, settings, monkeypatch) -> None:
    settings.SITES = {"local": "redis://localhost:1/0"}
    monkeypatch.setattr(loads, "MOST", 5)
    told = at_a_desk(lambda desk: ask_all(desk, cars))
    assert 1 <= told.count(200) <= 5
    assert told.count(503) == len(cars) - told.count(200)


def test_a_query_that_does_not_end_holds_nobody_up(cars, monkeypatch) -> None:
    monkeypatch.setattr(loads, "PATIENCE", 0.1)
    never = asyncio.Event()

    async def hang(*_ids: Any) -> Any:
        await never.wait()
        return {}, []

    monkeypatch.setattr(loads, "sync_to_async", lambda _read: hang)

    async def use(desk: Desk) -> None:
        begun = time.monotonic()
        for _ in range(3):
            with pytest.raises(NotNow):
                await desk.loads.vehicle(cars[0].vehicle.id)
        assert time.monotonic() - begun < 0.5
        never.set()

    at_a_desk(use)


def test_one_who_leaves_takes_nothing_from_the_others(cars) -> None:
    async def use(desk: Desk) -> list[int]:
        leaver = asyncio.ensure_future(ask(desk, cars[0]))
        rest = [asyncio.ensure_future(ask(desk, car)) for car in cars[1:]]
        await asyncio.sleep(0)
        leaver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await leaver
        return [(await each)[0] for each in rest]

    assert at_a_desk(use) == [200] * (len(cars) - 1)


# Limits


def test_a_car_that_asks_without_end_is_told_to_wait(cars, settings) -> None:
    settings.CAR_LIMIT = (1.0, 5)

    async def use(desk: Desk) -> None:
        told = [await ask(desk, cars[0]) for _ in range(10)]
        assert [each[0] for each in told[:5]] == [200] * 5
        assert {each[0] for each in told[5:]} == {429}
        assert int(dict(check.headers(told[-1][1]))[b"retry-after"]) >= 1
        assert (await ask(desk, cars[1]))[0] == 200

    at_a_desk(use)


def test_failures_are_counted_by_address_and_good_tokens_pass(cars, settings) -> None:
    settings.FAILURE_LIMIT = (1.0, 5)
    settings.TRUSTED_PROXIES = 1
    now = int(clock.unix())

    async def use(desk: Desk) -> None:
        def there(address: bytes) -> Callable[[], check.Asked]:
            return lambda: check.Asked(("10.0.0.1", 1), b"6.6.6.6, " + address)

        async def said(token: str, address: bytes) -> int:
            header = f"Bearer {token}".encode()
            return (await check.answer(desk, header, b"", there(address), now=now))[0]

        told = [await said("nonsense", b"1.1.1.1") for _ in range(8)]
        assert told == [401] * 5 + [429] * 3
        assert await said("nonsense", b"2.2.2.2") == 401
        assert await said(cars[0].token, b"1.1.1.1") == 200

    at_a_desk(use)


def test_a_stored_value_that_nothing_here_wrote_is_replaced(cars, site) -> None:
    car = cars[0]
    site.set(snapshots.key(car.vehicle.id.bytes), b"\x00" * 6 + b"\x63" + b"x" * 25)
    assert at_a_desk(lambda desk: ask(desk, car))[0] == 200
    value = site.get(snapshots.key(car.vehicle.id.bytes))
    assert snapshots.decode(car.vehicle.id, value).version == 1
