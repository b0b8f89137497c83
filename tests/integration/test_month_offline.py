"""A month without signal: what was paid for stays, to the second, and nothing beyond it."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from billing import clock, grants
from billing.models import Grant, Subscription
from billing.policy import GRACE
from fleet import tasks
from sandbox.car.answers import Kind
from sandbox.car.car import Car as Computer
from sandbox.car.storage import Storage
from sandbox.car.wire import dial
from tests.edge_server import running_edge
from tests.factories import Car, make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("edge")]
DAY = 86_400
LEASE = 40 * DAY


class Road:
    """The sandbox's car as the driver of a car of ours, its clock, and an edge that goes away."""

    def __init__(self, car: Car, folder: Path) -> None:
        self.now = clock.unix()
        self._folder = folder
        self._vin = car.vehicle.vin
        self._storage = Storage(folder / "car")
        key = car.key.private_bytes_raw()
        self._key = self._storage.enrol([self._vin], lambda: key)[self._vin]

    def meet(self, clock_file: str) -> dict[str, Any]:
        """Let the car ask a real edge once; return the claims of the lease that it took."""
        with running_edge(self._folder, CLOCK_FILE=clock_file) as edge:
            self._url = f"http://127.0.0.1:{edge.port}"
            self._drive(self._learn)
        lease = self._storage.memory(self._vin).lease
        claims: dict[str, Any] = jwt.decode(lease, options={"verify_signature": False})
        return claims

    def plans(self, instants: Sequence[float]) -> list[str]:
        """What the car drives on at each instant, with nobody there who answers."""
        said: list[str] = []

        async def ask_in_vain(car: Computer) -> None:
            for self.now in instants:
                await car.turn()
                assert car.memory.problem_kind == Kind.SILENT
                said.append(car.verdict().plan)

        self._drive(ask_in_vain)
        return said

    async def _learn(self, car: Computer) -> None:
        await car.turn()
        assert car.memory.problem == ""
        assert car.memory.report is not None
        assert car.memory.report.settled

    def _drive(self, journey: Callable[[Computer], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            async with dial(self._url, connections=1) as wire:
                car = Computer(
                    self._vin,
                    self._key,
                    audience="premium-connectivity",
                    storage=self._storage,
                    wire=wire,
                    wall=lambda: self.now,
                    chance=random.Random(7),
                )
                await journey(car)

        asyncio.run(whole())

    def close(self) -> None:
        """Park it."""
        self._storage.close()


@pytest.fixture
def road(tmp_path: Path):
    """Makes roads, and parks their cars in the end."""
    roads: list[Road] = []

    def make(car: Car) -> Road:
        roads.append(Road(car, tmp_path))
        return roads[-1]

    yield make
    for each in roads:
        each.close()


def test_premium_lasts_offline_until_the_paid_instant_and_its_grace(
    stripe: Stripe, road, settings
) -> None:
    owner = make_user()
    car = make_car(owner)
    assert stripe.pay(start(owner, car)).status_code == 303
    subscription = eventually(Subscription.objects.filter(status="active").first)
    car.sign_in()
    eventually(lambda: car.plan() == "premium")
    tasks.sweep()
    driven = road(car)
    claims = driven.meet(settings.CLOCK_FILE)

    paid = int(subscription.paid_through.timestamp())
    until = paid + int(GRACE.total_seconds())
    [grant] = claims["grants"]
    assert grant["until"] == until
    assert Grant.objects.get().ends_at == subscription.paid_through + GRACE
    assert claims["exp"] - claims["iat"] == LEASE
    assert until < claims["exp"], "what was paid for a month ends before the lease does"

    month = range(int(driven.now) + DAY, paid, DAY)
    assert len(month) >= 28
    assert set(driven.plans(month)) == {"premium"}
    around = [paid - 1, paid, paid + 1, until - 1, until, until + 1, until + DAY]
    assert driven.plans(around) == ["premium"] * 4 + ["standard"] * 3


def give(car: Car, ends_at: datetime | None) -> None:
    now = clock.now().replace(microsecond=0)
    gift = grants.Gift(car.vehicle.id, "premium", "goodwill", now, ends_at)
    grants.give(gift, now=clock.now())
    tasks.sweep()


def test_only_its_own_exp_ends_a_lease_whose_grant_has_no_end(moving_clock, road, settings) -> None:
    car = make_car()
    give(car, None)
    driven = road(car)
    exp = driven.meet(settings.CLOCK_FILE)["exp"]
    around = [exp - 7 * DAY, exp - 1, exp, exp + 1, exp + 365 * DAY]
    assert driven.plans(around) == ["premium"] * 2 + ["standard"] * 3


def test_a_signal_after_the_month_brings_what_was_given_meanwhile(
    moving_clock, road, settings
) -> None:
    car = make_car()
    end = clock.now().replace(microsecond=0) + timedelta(days=30)
    give(car, end)
    driven = road(car)
    driven.meet(settings.CLOCK_FILE)
    moving_clock.advance(days=31)
    give(car, None)
    last = int(end.timestamp())
    assert driven.plans([last - 1, last, last + 1]) == ["premium", "standard", "standard"]
    driven.now = clock.unix()
    driven.meet(settings.CLOCK_FILE)
    assert driven.plans([driven.now + 39 * DAY]) == ["premium"]
