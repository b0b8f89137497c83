"""Servers that fail under load: how many are answered right, are told to come back, or are misled.

The edge is a process of its own, the cars ask it on sixty lines, and nobody may ever be misled. A
fault ends by itself: nothing is restarted but what was away.
"""

import asyncio
import contextlib
import dataclasses
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import redis
from django.db import connection, transaction
from django.db.models import F

from billing import clock
from billing.models import Grant, Subject
from fleet import credentials, rebuild, snapshots
from fleet.models import Vehicle
from tests.edge_server import Edge, running_edge
from tests.factories import next_vin
from tests.reference import rows
from tests.reference.wire import Line
from tests.running import free_port
from tests.underload import LINES, MOMENT, Car, Counts, Load, Site, Way

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("system"),
    pytest.mark.timeout(120),
]
CARS = 150
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
FAR = datetime(2049, 1, 1, tzinfo=UTC)
MANY = {"CAR_PER_SECOND": "1000000", "CAR_AT_ONCE": "1000000"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("site"))
    asyncio.run(asyncio.wait_for(made.answers(), 30))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def way() -> Iterator[Way]:
    with Way.kept(free_port()) as made:
        yield made


@pytest.fixture(scope="module")
def edge(django_db_setup, site, way, tmp_path_factory) -> Iterator[Edge]:
    user = urlsplit(os.environ["DATABASE_URL"]).username
    name = connection.settings_dict["NAME"]
    database = f"postgres://{user}@127.0.0.1:{way.port}/{name}"
    folder = tmp_path_factory.mktemp("edge")
    with running_edge(folder, DATABASE_URL=database, REDIS_URL=site.url, **MANY) as running:
        yield running


class Ground:
    """The servers, the cars, and how to disturb them."""

    def __init__(self, load: Load, site: Site, way: Way, cars: list[Car]) -> None:
        self.load, self.site, self.way, self.cars = load, site, way, cars
        self.redis = redis.Redis.from_url(site.url)
        self.dice = random.Random(2)
        self.grants = {car.facts[0].id: car.facts[0].grants for car in cars}

    async def well_again(self, what: str, during: Counts) -> None:
        """The fault is over: nobody was misled, and soon nobody is refused any more."""
        told = await self.load.well_again(within=10)
        after = await self.load.during(MOMENT)
        sys.stdout.write(f"{what}: {during}; well again after {told:.1f} s: {after}\n")
        for counts in (during, after):
            assert not counts.wrong, counts.wrong[:3]
        assert after.right
        assert not after.refused
        self.redis.close()

    def keys(self, count: int) -> list[bytes]:
        """Where some of the cars' facts lie."""
        some = self.dice.sample(self.cars, count)
        return [snapshots.key(car.facts[0].id.bytes) for car in some]


Story = Callable[[Ground], Awaitable[None]]


@pytest.fixture
def tell(edge: Edge, site: Site, way: Way, settings) -> Callable[[Story], None]:
    """Run a story on a site that knows all cars, with all servers well and in use at first."""
    settings.SITES = {"local": site.url}
    cars, sold = _cars(), rows.published()
    with redis.Redis.from_url(site.url) as emptied:
        emptied.flushall()

    async def run(story: Story) -> None:
        try:
            async with _lines(edge) as lines:
                load = Load(cars, sold, lines, lambda: int(clock.unix()))
                async with load.asking():
                    await load.well_again(within=20)
                    await asyncio.to_thread(_rebuild)
                    await load.during(MOMENT)  # what had begun before that
                    await story(Ground(load, site, way, cars))
        finally:
            way.open()
            site.mend()
            await site.answers()

    return lambda story: asyncio.run(run(story))


def _cars() -> list[Car]:
    """Cars that are told many things: no two neighbours the same."""
    made = Vehicle.objects.bulk_create(
        Vehicle(
            vin=next_vin(),
            model="model_3",
            hardware=("mcu1", "mcu2", "mcu3")[number % 3],
            market=("US", "DE")[number % 2],
        )
        for number in range(CARS)
    )
    Subject.objects.bulk_create(Subject(id=each.id, version=1 + at) for at, each in enumerate(made))
    Grant.objects.bulk_create(
        Grant(
            subject_id=vehicle.id,
            plan="premium",
            source=("factory", "trial", "goodwill")[number % 4 - 1],
            starts_at=BEGAN,
            ends_at=FAR if number % 3 else None,
            created_at=BEGAN,
        )
        for number, vehicle in enumerate(made)
        if number % 4
    )
    expires_at = int(clock.unix()) + 80_000
    known = rows.facts()
    return [
        Car(f"Bearer {credentials.issue(vehicle, expires_at)}", [known[vehicle.id]])
        for vehicle in made
    ]


@contextlib.asynccontextmanager
async def _lines(edge: Edge) -> AsyncIterator[list[Line]]:
    lines = [Line(*await asyncio.open_connection("127.0.0.1", edge.port)) for _ in range(LINES)]
    try:
        yield lines
    finally:
        for line in lines:
            line.writer.transport.abort()


def test_redis_is_killed_and_comes_back_as_it_was(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.site.kill()
        away = await ground.load.during(1)
        ground.site.start()
        assert away.right > away.refused, "PostgreSQL answers in its place"
        assert away.slowest < 3
        await ground.well_again("Redis away", away)

    tell(story)


def test_what_changed_meanwhile_is_taken_back_from_nobody(tell) -> None:
    """The site comes back as it was, and no worker tells it what it has missed."""

    async def story(ground: Ground) -> None:
        changed = ground.cars[::2]
        for car in changed:
            [facts] = car.facts
            car.facts.append(dataclasses.replace(facts, version=facts.version + 1, grants=()))
        ground.site.kill()
        await asyncio.to_thread(_end_grants, [car.facts[0].id for car in changed])
        await ground.load.during(MOMENT)
        for car in changed:  # Now nobody is told any more what was before.
            del car.facts[0]
        away = await ground.load.during(0.5)
        assert away.right > away.refused
        for car in changed:
            [facts] = car.facts
            before = ground.grants[facts.id]
            car.facts.append(dataclasses.replace(facts, version=facts.version - 1, grants=before))
        ground.site.start()
        await ground.well_again("Redis away, and then behind", away)
        await asyncio.to_thread(_rebuild)
        await ground.load.during(MOMENT)
        for car in changed:
            del car.facts[1]
        told = await ground.load.during(MOMENT)
        assert told.right
        assert not told.wrong, told.wrong[:3]

    tell(story)


def _end_grants(vehicle_ids: list[UUID]) -> None:
    """As a use case does, but for the worker that would tell the site."""
    try:
        with transaction.atomic():
            Grant.objects.filter(subject_id__in=vehicle_ids).delete()
            Subject.objects.filter(id__in=vehicle_ids).update(version=F("version") + 1)
    finally:
        connection.close()


def _rebuild() -> None:
    try:
        rebuild.rebuild("local", restart=True, show=lambda _: None)
    finally:
        connection.close()


def test_redis_is_stopped_in_its_tracks(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.site.freeze()
        slow = await ground.load.during(2)
        ground.site.thaw()
        assert slow.right > slow.refused, "PostgreSQL answers in its place"
        assert slow.slowest < 4, "it is waited for once, and not by each car"
        await ground.well_again("Redis slow", slow)

    tell(story)


def test_postgresql_is_cut_off(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.way.cut()
        away = await ground.load.during(1)
        ground.way.open()
        assert away.right
        assert not away.refused, "the site has all"
        await ground.well_again("PostgreSQL away", away)

    tell(story)


def test_postgresql_hangs_while_the_site_lacks_some(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.way.hold()
        ground.redis.delete(*ground.keys(CARS // 3))
        away = await ground.load.until_refused(within=10)
        ground.way.open()
        assert away.right
        assert away.refused, "what the site lacks cannot be known"
        assert away.slowest < 7, "nobody waits without end"
        await ground.well_again("PostgreSQL hangs", away)

    tell(story)


def test_both_are_away(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.site.kill()
        ground.way.cut()
        await ground.load.during(MOMENT)  # what was asked before is answered
        away = await ground.load.until_refused(within=10)  # the first wait for PostgreSQL, for 5 s
        ground.site.start()
        ground.way.open()
        assert not away.right
        assert away.refused
        assert away.slowest < 8
        await ground.well_again("Both away", away)

    tell(story)


def test_redis_is_emptied_again_and_again(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.load.counts = emptied = Counts()
        for _ in range(4):
            ground.redis.flushall()
            await asyncio.sleep(0.3)
        assert emptied.right
        assert not emptied.refused, "PostgreSQL answers in its place"
        await ground.well_again("Redis emptied", emptied)

    tell(story)


def test_values_are_spoilt_all_the_time(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.load.counts = spoilt = Counts()
        for number in range(100):
            _spoil(ground, ground.keys(10))
            if number % 10 == 0:
                ground.redis.set(snapshots.CATALOG, b"9 {}")
                ground.redis.set(snapshots.PACE, b"noise")
            await asyncio.sleep(0.02)
        assert spoilt.right
        assert not spoilt.refused, "PostgreSQL answers in its place"
        await ground.well_again("Values spoilt", spoilt)

    tell(story)


def test_values_are_spoilt_and_postgresql_is_cut_off(tell) -> None:
    async def story(ground: Ground) -> None:
        ground.way.cut()
        _spoil(ground, ground.keys(CARS // 2))
        away = await ground.load.until_refused(within=10)
        ground.way.open()
        assert away.right
        assert away.refused
        await ground.well_again("Values spoilt, PostgreSQL away", away)

    tell(story)


def _spoil(ground: Ground, keys: list[bytes]) -> None:
    """Leave noise of each kind in their place, and another car's value."""
    for number, key in enumerate(keys):
        value = _string(ground, key)
        turned = bytearray(value or b"-")
        turned[ground.dice.randrange(len(turned))] ^= 1 << ground.dice.randrange(8)
        other = _string(ground, ground.keys(1)[0])
        noises: list[bytes] = [
            bytes(turned),
            (value or b"")[: len(value or b"") // 2],
            b'2 ["v",1,false,[],[],[["premium",0,null,"factory"]]]',  # the format before this one
            ground.dice.randbytes(32),
            b"",
            b"list",
            other or b"noise",
        ]
        noise = noises[number % len(noises)]
        # At once: in between, an edge would write what it found in the rows.
        with ground.redis.pipeline() as pipeline:
            pipeline.delete(key)
            if noise == b"list":
                pipeline.rpush(key, noise)
            else:
                pipeline.set(key, noise)
            pipeline.execute()


def _string(ground: Ground, key: bytes) -> bytes:
    """What lies there, if it is a string."""
    found = ground.redis.get(key) if ground.redis.type(key) == b"string" else None
    return found if isinstance(found, bytes) else b""
