"""One of two data centres is cut off under changes, by real processes; both are equal afterwards.

Run with `python -m tests.nightly.cut_off`; it prints what it measured. An hour passes meanwhile by
the system's clock. A car's edge is that of the site which is cut off.
"""

import argparse
import http.client
import json
import os
import random
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import django
import redis

from connectivity.local.process import Process
from connectivity.local.valkey import Valkey
from tests.running import Run, fresh_shell, soon, started

CARS = 500
SPEED = 100  # changes a second
HOUR = 3600


class Site:
    """A data centre's Valkey, started with more arguments if there are any."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.server, self._arguments = Valkey(folder, "site"), arguments
        self.start()

    def start(self) -> None:
        """Start it, on what it had."""
        program = self.server.prepare()
        self.process = Process(replace(program, argv=(*program.argv, *self._arguments)))
        assert soon(self.server.ready)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.process.kill()

    def close(self) -> None:
        """Stop it, if it runs."""
        if self.process.exit_code is None:
            self.process.stop()
        self.server.forget()


class Changes(threading.Thread):
    """Changes cars without a pause, at a steady pace, and counts them."""

    def __init__(self, ids: list[Any]) -> None:
        super().__init__()
        self.ids, self.counted, self.over = ids, Counter[Any](), threading.Event()

    def run(self) -> None:
        from django.db import connection

        from billing import clock, subjects

        dice, began = random.Random(3), time.monotonic()
        while not self.over.is_set():
            one = dice.choice(self.ids)
            subjects.bump([one], now=clock.now())
            self.counted[one] += 1
            self.over.wait(max(0, began + self.counted.total() / SPEED - time.monotonic()))
        connection.close()


class Reader(threading.Thread):
    """A fleet that asks its edge without a pause; each car holds what it was told last."""

    def __init__(self, port: str, tokens: dict[Any, str]) -> None:
        super().__init__()
        self.port, self.tokens, self.over = int(port), tokens, threading.Event()
        self.answers, self.slowest = Counter[int](), 0.0
        self.backwards: list[tuple[Any, int, int]] = []

    def run(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        dice, held = random.Random(4), dict.fromkeys(self.tokens, '"0.0.0.0"')
        while not self.over.wait(0.01):
            car = dice.choice(list(self.tokens))
            headers = {"Authorization": f"Bearer {self.tokens[car]}", "If-None-Match": held[car]}
            began = time.monotonic()
            line.request("GET", "/vehicle/v1/entitlement", headers=headers)
            answer = line.getresponse()
            body = answer.read()
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers[answer.status] += 1
            if answer.status == 200:
                told, before = json.loads(body)["version"], int(held[car].strip('"').split(".")[0])
                if told < before:
                    self.backwards.append((car, before, told))
                held[car] = answer.headers["ETag"]


def main() -> int:
    """Do it, and say how it went; 1 if something was lost or went backwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="connectivity-cut-") as folder:
        east, west = (Site(Path(folder) / name) for name in ("east", "west"))
        given = {
            "SITES": json.dumps({"east": east.server.url, "west": west.server.url}),
            "SITE": "west",
        }
        try:
            with started(fresh_shell(Path(folder)) | given) as run:
                os.environ.update(run.joined(), DJANGO_SETTINGS_MODULE="connectivity.settings.web")
                django.setup()
                return _cut_off(run, west, (east.server.url, west.server.url), seconds)
        finally:
            for site in (east, west):
                site.close()


def _cut_off(run: Run, west: Site, urls: tuple[str, str], seconds: float) -> int:
    from billing import clock
    from fleet import credentials
    from fleet.models import Vehicle
    from tests import factories

    for _ in range(1_000):
        factories.next_vin()  # Those of the demo's cars are among them.
    ids = [factories.make_car().vehicle.id for _ in range(CARS)]
    assert soon(lambda: at_site(urls[1], ids) == in_rows(ids)), "not told at first"
    expires = int(clock.unix()) + 24 * HOUR
    cars = Vehicle.objects.in_bulk(ids)
    tokens = {each: credentials.issue(cars[each], expires) for each in ids}
    changes, reader = Changes(ids), Reader(run.environ["EDGE_PORT"], tokens)
    for each in (changes, reader):
        each.start()
    try:
        time.sleep(2)
        west.kill()
        time.sleep(seconds / 2)
        clock.advance(HOUR)
        time.sleep(seconds / 2)
        lagging = sum(a != b for a, b in zip(*(at_site(urls[0], ids), in_rows(ids)), strict=True))
        west.start()
        began = time.monotonic()
        assert soon(lambda: _waiting("west") < SPEED, 120), "it does not catch up"
        caught_up = time.monotonic() - began
    finally:
        for each in (changes, reader):
            each.over.set()
            each.join()
    equal = soon(lambda: at_site(urls[0], ids) == at_site(urls[1], ids) == in_rows(ids), 30)
    after = time.monotonic() - began
    counted = in_rows(ids) == [1 + changes.counted[each] for each in ids]
    print(
        f"cut off for {seconds:.0f} s under {changes.counted.total():,} changes; the other site "
        f"lagged for {lagging} cars at its end\ncaught up {caught_up:.1f} s after its return, all "
        f"equal after {after:.1f} s: {bool(equal)}; each change is a version: {counted}\n"
        f"cars at the edge of the site that was cut off: {dict(reader.answers)}, slowest "
        f"{reader.slowest:.2f} s, sent backwards: {len(reader.backwards)}"
    )
    return 0 if equal and counted and not reader.backwards else 1


def at_site(url: str, ids: list[Any]) -> list[int]:
    """The versions that a site has."""
    from fleet import packing, snapshots

    with redis.Redis.from_url(url) as site:
        values = site.mget([snapshots.key(each.bytes) for each in ids])
    return [packing.version(value) if value else 0 for value in values]


def in_rows(ids: list[Any]) -> list[int]:
    """The versions that are right."""
    from billing import subjects

    versions = subjects.versions(ids)
    return [versions[each] for each in ids]


def _waiting(site: str) -> int:
    from billing import queries

    return queries.unsent(site)[0]


if __name__ == "__main__":
    raise SystemExit(main())
