"""Roll-outs over the wire: what the real edge says on a line that stays open, step by step."""

import json
from typing import Any

import jwt
import pytest
from asgiref.sync import async_to_sync, sync_to_async

from billing import clock, grants
from billing.catalog import bucket
from fleet import credentials, rollouts, tasks
from fleet.models import Rollout
from tests.factories import Car, make_car
from tests.reference.wire import Line, serving

pytestmark = pytest.mark.django_db
CARS = 40


def paid_cars() -> list[Car]:
    """Cars with Premium, of which their site was told."""
    now = clock.now().replace(microsecond=0)
    cars = [make_car() for _ in range(CARS)]
    for car in cars:
        grants.give(grants.Gift(car.vehicle.id, "premium", "trial", now, None), now=now)
        car.token = credentials.issue(car.vehicle, int(now.timestamp()) + 5_000)
    tasks.sweep()
    return cars


def step(act: Any, **more: Any) -> Rollout:
    """Take one, and have the site told."""
    common = {"reason": "As agreed.", "actor": None, "now": clock.now()}
    done: Rollout = act(**{**common, **more})
    tasks.sweep()
    return done


class Polling:
    """Cars that hold what they were told last."""

    def __init__(self, line: Line, cars: list[Car]) -> None:
        self.line, self.cars = line, cars
        self.catalogs: list[int] = []

    async def ask(self, car: Car) -> Any:
        """What one is told that it did not know; the document and its lease agree."""
        head = {"authorization": f"Bearer {car.token}"}
        said = await self.line.ask(**head, **({"if_none_match": car.etag} if car.etag else {}))
        car.etag = said.headers["etag"]
        if said.status == 304:
            return None
        told = json.loads(said.body)
        options: Any = {"verify_signature": False}
        [grant] = jwt.decode(told["lease"], options=options)["grants"]
        assert sorted(grant["features"]) == told["features"]
        assert told["catalog"] == int(car.etag.strip('"').split(".")[1])
        return told

    async def who_has_it(self) -> set[int]:
        """Which have the feature; all are told something, of one higher catalogue, and once."""
        told = [await self.ask(car) for car in self.cars]
        assert [await self.ask(car) for car in self.cars] == [None] * CARS
        assert [await self.ask(car) for car in self.cars] == [None] * CARS
        [catalog] = {each["catalog"] for each in told}
        assert not self.catalogs or catalog > self.catalogs[-1]
        self.catalogs.append(catalog)
        return {n for n, each in enumerate(told) if "summon" in each["features"]}


def test_each_step_is_seen_at_the_next_poll_by_each_car_in_the_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cars = paid_cars()
    wanted = {"feature": "summon", "name": "Summon", "plan": "premium", "audience": {}}

    async def drive() -> None:
        async with serving(monkeypatch, 1) as [line]:
            polling = Polling(line, cars)
            assert await polling.who_has_it() == set()
            rollout = await sync_to_async(step)(rollouts.begin, **wanted, share=2_000)
            drawn = {n: bucket(rollout.salt, car.vehicle.id) for n, car in enumerate(cars)}
            some = {n for n, mine in drawn.items() if mine < 2_000}
            assert await polling.who_has_it() == some

            # The share ends between these two: one car more, and that very one.
            last = min(set(drawn) - some, key=lambda n: drawn[n])
            for share, expected in ((drawn[last], some), (drawn[last] + 1, some | {last})):
                if share > rollout.share:
                    rollout = await sync_to_async(step)(
                        rollouts.raise_share,
                        rollout_id=rollout.pk,
                        seen=rollout.revision,
                        share=share,
                    )
                    assert await polling.who_has_it() == expected

            this = {"rollout_id": rollout.pk}
            rollout = await sync_to_async(step)(rollouts.halt, **this, seen=rollout.revision)
            assert await polling.who_has_it() == some | {last}
            rollout = await sync_to_async(step)(
                rollouts.raise_share, **this, seen=rollout.revision, share=10_000
            )
            assert await polling.who_has_it() == set(drawn)
            await sync_to_async(step)(rollouts.roll_back, **this, seen=rollout.revision)
            assert await polling.who_has_it() == set()
            assert len(polling.catalogs) >= 6

    async_to_sync(drive)()
