"""Asks the edge for each car at three instants, and holds each answer against the reference.

A car's site knows it, does not know it, has noise in its place, or was not told of its last change;
and the car comes with a good token or another one, and with a tag or none.
"""

import asyncio
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

import jwt
import pytest
import redis
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings

from billing import clock
from billing.catalog import Catalog
from fleet import credentials, lease, rebuild, snapshots
from fleet.models import Vehicle
from fleet.snapshots import Snapshot
from tests.reference import fleet, rows
from tests.reference.fleet import Planned
from tests.reference.rows import Facts
from tests.reference.wire import Line, Said, serving

LINES = 50
MOMENTS = (-1, 0, 1)
SITE = {"known": 50, "missing": 40, "noise": 5, "behind": 5}
TOKEN = {"good": 90, "former": 4, "foreign": 3, "expired": 3}
TAG = {
    "none": 50,
    "right": 12,
    "held": 12,
    "right among others": 4,
    "former version": 4,
    "former catalogue": 4,
    "former epoch": 3,
    "former horizon": 3,
    "foreign": 4,
    "ahead": 4,
}
FOREIGN = ('"x"', 'W/"abc"', "nonsense", '""', '"1.2.3"', '"1.1.1.1" "')


@dataclass
class Car:
    """A car on the road."""

    planned: Planned
    facts: Facts
    site: str
    token: str
    authorization: str
    address: str
    held: str = ""

    def known(self, tags: str) -> Facts:
        """The facts by which it is answered: its site's, unless it says that it has newer ones."""
        versions = [int(version) for version in re.findall(r'"(\d+)\.\d+\.\d+\.\d+"', tags)]
        if self.site == "behind" and max(versions, default=0) < self.facts.version:
            return self.facts.former()
        return self.facts

    def learn(self, facts: Facts) -> None:
        """What was read from the rows is at the site afterwards."""
        if self.site == "behind" and facts is self.facts:
            self.site = "was behind"


@dataclass
class Tally:
    """What was asked and answered, by kind."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The spread, for people."""
        return [f"{count:>9,}  {what}" for what, count in sorted(self.counts.items())]


def run(count: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> Tally:
    """Write so many cars, and ask for all of them."""
    dice, tally = random.Random(seed), Tally()
    monkeypatch.setattr(settings, "TRUSTED_PROXIES", 1)
    planned = fleet.write(count, seed)
    known = rows.facts()
    cars = [_car(dice, number, each, known) for number, each in enumerate(planned)]
    _tell_site(cars)
    groups: dict[int, list[Car]] = {}
    for car in cars:
        groups.setdefault(car.planned.instant, []).append(car)
        _count_facts(tally, car)
    async_to_sync(_ask_all)(groups, dice, tally, monkeypatch)
    return tally


def _car(dice: random.Random, number: int, planned: Planned, known: dict[UUID, Facts]) -> Car:
    facts, token = known[planned.vehicle.id], _one_of(dice, TOKEN)
    site = _one_of(dice, SITE)
    expires_at = planned.instant + (-30 if token == "expired" else credentials.LIFETIME)
    vehicle = planned.vehicle
    if token == "former":
        vehicle = Vehicle(
            id=vehicle.id, vin=vehicle.vin, credential_generation=facts.generation - 1
        )
    text = credentials.issue(vehicle, expires_at)
    if token == "foreign":
        text = dice.choice(("", "x", text[:-2], text[:-4] + "AAAA", "A" * len(text)))
    address = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    return Car(planned, facts, site, token, f"Bearer {text}", address)


def _tell_site(cars: list[Car]) -> None:
    """All are written by the product itself; then a part is lost, spoilt, or set back."""
    rebuild.rebuild("local", restart=True, show=lambda _: None)
    with redis.Redis.from_url(settings.SITES["local"]) as site:
        for car in cars:
            key = snapshots.key(car.facts.id.bytes)
            if car.site == "noise":
                site.set(key, site.get(key)[:-1] + b"\x7f\x7f")
            elif car.site != "known":
                site.delete(key)
    former = [car.facts.former() for car in cars if car.site == "behind"]
    snapshots.write("local", (_snapshot(each) for each in former))


def _snapshot(facts: Facts) -> Snapshot:
    return Snapshot(
        facts.id, facts.version, facts.generation, facts.removed, facts.traits, (), facts.grants
    )


async def _ask_all(
    groups: dict[int, list[Car]],
    dice: random.Random,
    tally: Tally,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sold = await sync_to_async(rows.published)()
    async with serving(monkeypatch, LINES) as lines:
        for instant, cars in groups.items():
            for moment in MOMENTS:
                now = instant + moment
                monkeypatch.setattr(clock, "unix", lambda now=now: now + 0.5)
                asker = Asker(sold, now, moment, dice, tally)
                parts = [cars[at::LINES] for at in range(LINES)]
                await asyncio.gather(*map(asker.ask_each, lines, parts))


@dataclass
class Asker:
    """Asks at one instant."""

    sold: Catalog
    now: int
    moment: int
    dice: random.Random
    tally: Tally
    key: jwt.PyJWK = field(default_factory=lambda: jwt.PyJWK(lease.jwks()["keys"][0]))

    async def ask_each(self, line: Line, cars: list[Car]) -> None:
        """Ask for these, one after the other."""
        for car in cars:
            kind = _one_of(self.dice, TAG)
            tags = self._tags(car, kind)
            given = {"if_none_match": tags} if tags else {}
            said = await line.ask(
                authorization=car.authorization, x_forwarded_for=car.address, **given
            )
            try:
                self._hold(car, tags, said)
            except AssertionError as error:
                self.tally.wrong.append(f"{kind} {tags} at {self.now}: {said}: {car}: {error}")
            self._count(car, kind, said)

    def _tags(self, car: Car, kind: str) -> str:
        right = rows.etag(car.facts, self.sold, self.now)
        version, catalog, epoch, horizon = map(int, right.strip('"').split("."))
        return {
            "none": "",
            "right": right,
            "held": car.held,
            "right among others": f'"x", W/{right},"1.1.1.1"',
            "former version": f'"{version - 1}.{catalog}.{epoch}.{horizon}"',
            "former catalogue": f'"{version}.{fleet.FORMER}.{epoch}.{horizon}"',
            "former epoch": f'"{version}.{catalog}.{epoch - 1}.{horizon}"',
            "former horizon": f'"{version}.{catalog}.{epoch}.{horizon + 1}"',
            "foreign": self.dice.choice(FOREIGN),
            "ahead": f'"{version + self.dice.choice((0, 3))}.{catalog + 1}.{epoch}.{horizon}"',
        }[kind]

    def _hold(self, car: Car, tags: str, said: Said) -> None:
        """Hold an answer against the reference."""
        facts = car.known(tags)
        assert parsedate_to_datetime(said.headers["date"]).timestamp() == self.now
        if car.token == "good":
            car.learn(facts)
        ahead = f".{self.sold.revision + 1}." in tags
        if car.token != "good" or facts.removed:
            assert said.status == 401
            return
        if ahead:
            assert said.status == 503
            assert 3 <= int(said.headers["retry-after"]) <= 9
            return
        right = rows.etag(facts, self.sold, self.now)
        assert said.status == (304 if right in tags else 200)
        assert said.headers["etag"] == right
        assert said.headers["cache-control"] == "private, no-cache"
        seconds = 900 if "market:NO" in facts.traits else 120
        assert seconds * 0.9 - 1 <= int(said.headers["poll-after"]) <= seconds * 1.1 + 1
        if said.status == 200:
            self._hold_document(facts, json.loads(said.body))
        else:
            assert said.body == b""
        car.held = right

    def _hold_document(self, facts: Facts, told: dict[str, Any]) -> None:
        verdict = rows.verdict(facts, self.sold, self.now)
        until = verdict.next_change_at
        text = told.pop("lease")
        if told["valid_until"] is not None:
            told["valid_until"] = datetime.fromisoformat(told["valid_until"]).timestamp()
        assert told == {
            "vehicle": str(facts.id),
            "vin": facts.vin,
            "version": facts.version,
            "catalog": self.sold.revision,
            "plan": verdict.plan,
            "features": list(verdict.features),
            "consents": [],
            "reason": verdict.reason,
            "valid_until": until,
        }
        self._hold_lease(facts, text, verdict.features)
        self._hold_shares(facts, verdict.features)

    def _hold_shares(self, facts: Facts, features: tuple[str, ...]) -> None:
        """Who is in a share has the feature with its plan, and nobody else; not by our own rule."""
        for code, plan in (("sentry", "premium"), ("summon", "ultra")):
            inside = facts.buckets[code] < fleet.SHARES[code]
            fits = code == "sentry" or "hardware:mcu3" in facts.traits
            granted = any(each.plan == plan and each.covers(self.now) for each in facts.grants)
            assert (code in features) == (inside and fits and granted)
            if fits and granted:
                self.tally.counts[f"share of {code}: {'in' if inside else 'out'}"] += 1

    def _hold_lease(self, facts: Facts, text: str, features: tuple[str, ...]) -> None:
        """The lease is ours, and a car that reads it by the contract comes to the same verdict."""
        claims = jwt.decode(text, self.key, algorithms=["EdDSA"], options=UNTIMED)
        names = {name: claims[name] for name in ("sub", "iat", "nbf", "exp", "ver", "cat")}
        now = self.now
        assert names == {
            "sub": facts.vin,
            "iat": now,
            "nbf": now,
            "exp": now + 40 * 86_400,
            "ver": facts.version,
            "cat": self.sold.revision,
        }
        offline = [
            grant["features"]
            for grant in claims["grants"]
            if grant["from"] <= now and (grant["until"] is None or now < grant["until"])
        ]
        assert sorted({code for codes in offline for code in codes}) == sorted(features)

    def _count(self, car: Car, kind: str, said: Said) -> None:
        counts = self.tally.counts
        counts["asked"] += 1
        counts[f"answered {said.status}"] += 1
        counts[f"site: {car.site}"] += 1
        counts[f"token: {'removed' if car.facts.removed else car.token}"] += 1
        counts[f"tag: {kind}"] += 1
        at = f"boundary {self.moment:+d}" if car.planned.at_boundary else "any"
        counts[f"instant: {at}"] += 1
        if said.status == 200:
            told = json.loads(said.body)
            counts[f"plan: {told['plan']}, by {told['reason']}"] += 1


UNTIMED: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}


def _count_facts(tally: Tally, car: Car) -> None:
    tally.counts["vehicles"] += 1
    tally.counts[f"grants: {len(car.facts.grants)}"] += 1
    for grant in car.facts.grants:
        tally.counts[f"granted: {grant.plan}, by {grant.source}"] += 1


def _one_of(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]


def expected_kinds() -> set[str]:
    """What a run is to have met, or it proves nothing."""
    plans = set(fleet.PLANS)
    return {
        *(f"site: {site}" for site in SITE),
        *(f"token: {token}" for token in (*TOKEN, "removed")),
        *(f"tag: {tag}" for tag in TAG),
        *(f"instant: boundary {moment:+d}" for moment in MOMENTS),
        "instant: any",
        *(f"grants: {count}" for count in range(5)),
        *(f"granted: {plan}, by {source}" for plan in plans for source in fleet.SOURCES),
        *(f"plan: {p}, by {s}" for p in ("basic", "premium", "ultra") for s in fleet.SOURCES),
        "plan: standard, by none",
        *(f"share of {code}: {where}" for code in fleet.SHARES for where in ("in", "out")),
        *(f"answered {status}" for status in (200, 304, 401, 503)),
    }
