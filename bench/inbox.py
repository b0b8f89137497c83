"""How many of Stripe's events a second are taken in and handled when very many cars renew.

Three million renewals in a day are 35 a second, of eight events each: 280 events a second.
"""

import os
import statistics
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import redis
import requests
from django.conf import settings
from django.db.models import F

from bench import renewals
from bench.posting import Posted, post
from billing import clock
from billing.models import Change, Grant, StripeEvent, Subject
from fleet import packing, snapshots
from tests.running import Run, soon

WANTED = 280.0  # events a second
SPEEDS = {"at full speed": None, "at 280/s": WANTED}
STRIPE_SERVES = 25.0  # reads a second of a kind
READS = 2  # for a fetch: the subscription, and its invoices
SECONDS = 30.0
MOST = 4_000  # renewals in a round: more than are sent in its time
LATER = 3 * 3600  # seconds, after which nothing waits any more for what else may come
PATIENCE = 600.0


@dataclass(frozen=True)
class Round:
    """What one round has shown."""

    events: int
    taken: float
    median: float
    slowest: float
    handled: float
    lag: float
    calls: float


def table(run: Run, rounds: int) -> Iterator[str]:
    """Measure so many rounds, and tell their medians."""
    originals = renewals.originals(run)
    each = len(originals[0].events)
    yield f"\nThe inbox: renewals of {each} events each, for {SECONDS:g} s at each speed and round"
    done: dict[str, list[Round]] = {name: [] for name in SPEEDS}
    for number in range(rounds):
        for at, (name, speed) in enumerate(SPEEDS.items()):
            first = (number * len(SPEEDS) + at) * MOST
            one = _round(run, originals, first, a_second=speed and speed / each)
            told = f"{one.events} events, {one.taken:.0f}/s in, the last {one.lag:.1f} s later"
            yield f"  round {number + 1}, {name}: {told}"
            done[name].append(one)
    for name, of_speed in done.items():
        yield from _lines(name, of_speed)


def _lines(speed: str, done: list[Round]) -> Iterator[str]:
    def median(name: str) -> float:
        return float(statistics.median(getattr(one, name) for one in done))

    taken, handled, naive = median("taken"), median("handled"), 1000.0 * READS
    rows = (
        ("events taken in (answered 200)", f"{taken:.0f}/s", f"{taken / WANTED:.2f} x 280/s"),
        ("answered within, median", f"{median('median') * 1000:.0f} ms", ""),
        ("answered within, 99 of 100", f"{median('slowest') * 1000:.0f} ms", ""),
        (
            "events handled, the cars' sites told",
            f"{handled:.0f}/s",
            f"{handled / WANTED:.2f} x 280/s",
        ),
        ("last one handled after it was taken in", f"{median('lag'):.1f} s", ""),
        ("calls to Stripe for 1,000 events", f"{median('calls'):.0f}", ""),
        (
            "reckoned, if each event were fetched",
            f"{naive:.0f}",
            f"{_most(naive):.0f} events/s at 25 reads/s",
        ),
    )
    yield f"  {speed:<42}{'median':>12}    ratio"
    for name, value, ratio in rows:
        yield f"  {name:<42}{value:>12}    {ratio}"


def _most(calls: float) -> float:
    """Events a second that Stripe's limit for a kind of read allows if 1,000 need so many."""
    return STRIPE_SERVES * 1000 * READS / calls


def _round(
    run: Run, originals: list[renewals.Original], first: int, *, a_second: float | None
) -> Round:
    numbers = range(first, first + MOST)
    cars = renewals.copy(run, originals, numbers)
    stats = f"{run.sandbox}/sandbox/stripe/stats"
    requests.delete(stats, timeout=30)
    secret = os.environ["STRIPE_WEBHOOK_SECRETS"].split(",")[0]
    groups = (_events(originals, number) for number in numbers)
    began = time.monotonic()
    posted = post(
        f"{run.web}/billing/webhook/", secret, groups, for_seconds=SECONDS, a_second=a_second
    )
    if posted.refused:
        raise RuntimeError(f"{len(posted.refused)} events were refused: {posted.refused[:3]}")
    if not soon(_is_done, PATIENCE):
        raise RuntimeError("What was taken in is not handled.")
    ended = time.monotonic()
    _check(cars[: posted.groups])
    return _result(posted, ended - began, stats)


def _result(posted: Posted, took: float, stats: str) -> Round:
    """Let what waits for others be handled too: only then is it known what Stripe was asked."""
    clock.advance(LATER)
    if not soon(lambda: not StripeEvent.objects.filter(state="received").exists(), PATIENCE):
        raise RuntimeError("What was to wait for a while is not handled.")
    calls = requests.get(stats, timeout=30).json()["calls"]
    reads = sum(
        count for name, count in calls.items() if "subscriptions" in name or "invoices" in name
    )
    events = len(posted.took)
    took_sorted = sorted(posted.took)
    return Round(
        events=events,
        taken=events / posted.seconds,
        median=statistics.median(took_sorted),
        slowest=took_sorted[int(len(took_sorted) * 0.99)],
        handled=events / took,
        lag=took - posted.seconds,
        calls=reads * 1000 / events,
    )


def _events(originals: list[renewals.Original], number: int) -> list[str]:
    templates = originals[number % len(originals)].events
    return [renewals.numbered(template, number) for template in templates]


def _is_done() -> bool:
    """Whether all that was paid is recorded, and each site was told."""
    waiting = StripeEvent.objects.filter(state="received", type="invoice.paid")
    return not waiting.exists() and not Change.objects.exists()


def _check(cars: list[uuid.UUID]) -> None:
    """Each car's grant is longer now, and its site has the version that says so."""
    longer = Grant.objects.filter(
        subject_id__in=cars, ends_at__gt=F("starts_at") + timedelta(days=45)
    )
    if longer.count() != len(cars):
        raise RuntimeError(f"{longer.count()} of {len(cars)} grants were prolonged.")
    versions = dict(Subject.objects.filter(id__in=cars).values_list("id", "version"))
    with redis.Redis.from_url(settings.SITES[settings.SITE]) as site:
        values = site.mget([snapshots.key(car.bytes) for car in cars])
    for car, value in zip(cars, values, strict=True):
        told = packing.version(value) if value else 0
        if told != versions[car]:
            raise RuntimeError(f"The site has version {told} of a car at {versions[car]}.")
