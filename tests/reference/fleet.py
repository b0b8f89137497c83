"""Writes a random fleet as rows: grants of all kinds, cars of all kinds, half with a turn at hand.

Each car has an instant of its own, about which it will be asked. It must never know the answers.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import uuid6

from billing.models import CatalogRevision, Customer, Grant, Subject, Subscription
from fleet.models import Pace, Vehicle
from tests.factories import make_user

BEGAN = 1_795_335_600  # 2026-11-22T08:20:00Z
GROUPS = 20
STEP = 146_881  # seconds from one group's instant to the next: of no week's nor day's measure
DAY = 86_400
SOURCES = ("subscription", "factory", "trial", "goodwill")
PLANS = ("premium", "premium", "premium", "basic", "ultra", "of yesterday", "of tomorrow")
MARKETS, MODELS = ("US", "DE", "NO"), ("model_s", "model_3", "model_y")
SHAPES = ("past", "running", "future", "open", "open future", "empty")
FORMER = 7  # the catalogue's revision before this one
# Some features take the right unit, market or model; one takes two of these. Two are being rolled
# out, to shares of 10,000: one to whoever has the plan, one to the right unit only.
SHARES = {"sentry": 4_000, "summon": 1_500}
CATALOG: dict[str, Any] = {
    "features": [
        {"code": "traffic", "name": "Traffic"},
        {"code": "maps", "name": "Maps", "requires": [["market:US", "market:DE"]]},
        {"code": "video", "name": "Video", "requires": [["hardware:mcu2", "hardware:mcu3"]]},
        {"code": "camera", "name": "C", "requires": [["hardware:mcu3"], ["model:model_s"]]},
        {"code": "music", "name": "Music"},
        {"code": "sentry", "name": "Sentry", "share": SHARES["sentry"], "salt": "sentry@1"},
        {
            "code": "summon",
            "name": "Summon",
            "requires": [["hardware:mcu3"]],
            "share": SHARES["summon"],
        },
    ],
    "plans": [
        {"code": "basic", "name": "Basic", "features": ["traffic", "music"]},
        {"code": "premium", "name": "Premium", "features": ["traffic", "maps", "video", "sentry"]},
        {"code": "ultra", "name": "Ultra", "features": ["traffic", "maps", "camera", "summon"]},
    ],
    "prices": [],
}
PACE = {"*": 120, "NO": 900}


@dataclass(frozen=True)
class Planned:
    """A car, the instant about which it is asked, and whether that is a boundary of a grant."""

    vehicle: Vehicle
    instant: int
    at_boundary: bool


def write(count: int, seed: int) -> list[Planned]:
    """Write so many cars and what they were granted."""
    dice = random.Random(seed)
    CatalogRevision.objects.create(revision=FORMER, document={**CATALOG, "plans": []})
    CatalogRevision.objects.create(revision=FORMER + 1, document=CATALOG)
    Pace.objects.create(revision=2, seconds=PACE)
    planned = [_planned(dice, number) for number in range(count)]
    Vehicle.objects.bulk_create((each.vehicle for each in planned), 5_000)
    ids = [each.vehicle.id for each in planned]
    Subject.objects.bulk_create((Subject(id=i, version=dice.randint(2, 300)) for i in ids), 5_000)
    grants = [grant for each in planned for grant in _grants(dice, each)]
    _pay_for(grants)
    Grant.objects.bulk_create(grants, 5_000)
    return planned


def _planned(dice: random.Random, number: int) -> Planned:
    removed = datetime(2026, 10, 1, tzinfo=UTC) if dice.random() < 0.03 else None
    vehicle = Vehicle(
        id=uuid6.uuid7(),
        vin=f"5YJ3E{number:012d}",
        model=dice.choice(MODELS),
        hardware=dice.choice(("mcu1", "mcu2", "mcu3", "none")),
        market=dice.choice(MARKETS),
        credential_generation=1 + (dice.random() < 0.1),
        removed_at=removed,
    )
    return Planned(vehicle, BEGAN + STEP * (number % GROUPS), dice.random() < 0.5)


def _grants(dice: random.Random, planned: Planned) -> Iterator[Grant]:
    """None to four grants; for a car at a boundary one of them begins or ends at its instant."""
    count = dice.choice((1, 1, 2, 2, 3, 4) if planned.at_boundary else (0, 1, 2, 3, 4))
    sources = dice.sample(SOURCES, count)  # a subscription, at most, once
    for number, source in enumerate(sources):
        starts_at, ends_at = _span(dice, planned.instant)
        if planned.at_boundary and number == 0:
            starts_at, ends_at = _span_to(dice, planned.instant)
        yield Grant(
            subject_id=planned.vehicle.id,
            plan=dice.choice(PLANS),
            source=source,
            starts_at=datetime.fromtimestamp(starts_at, UTC),
            ends_at=None if ends_at is None else datetime.fromtimestamp(ends_at, UTC),
            created_at=datetime.fromtimestamp(BEGAN, UTC),
        )


def _span(dice: random.Random, instant: int) -> tuple[int, int | None]:
    """An interval before, around or after an instant."""
    long, gap = dice.randint(1, 40 * DAY), dice.randint(5, 20 * DAY)
    spans: dict[str, tuple[int, int | None]] = {
        "past": (instant - gap - long, instant - gap),
        "running": (instant - gap, instant + long),
        "future": (instant + gap, instant + gap + long),
        "open": (instant - gap, None),
        "open future": (instant + gap, None),
        "empty": (instant + gap, instant + gap),
    }
    return spans[dice.choice(SHAPES)]


def _span_to(dice: random.Random, instant: int) -> tuple[int, int | None]:
    """An interval with a boundary at an instant."""
    long = dice.randint(1, 40 * DAY)
    return dice.choice(((instant, instant + long), (instant - long, instant), (instant, None)))


def _pay_for(grants: list[Grant]) -> None:
    """Give each paid grant the subscription that it names."""
    paid = [grant for grant in grants if grant.source == "subscription"]
    customer = Customer.objects.create(
        payer=make_user(), currency="usd", stripe_customer_id="cus_reference"
    )
    mirrors = Subscription.objects.bulk_create(
        (
            Subscription(
                stripe_subscription_id=f"sub_{number}",
                subject_id=grant.subject_id,
                customer=customer,
                status="active",
            )
            for number, grant in enumerate(paid)
        ),
        5_000,
    )
    for grant, mirror in zip(paid, mirrors, strict=True):
        grant.subscription = mirror
