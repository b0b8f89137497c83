"""A site's Valkey dies under load, and a replica that lacks the last seconds takes its place.

Run with `python -m tests.nightly.promotion`; it prints what it measured. The link of the replica
breaks some seconds before, and in their midst two hours pass by the clock: what was changed before
that is older than what the watch has told again, and only the scrub finds it. Cars ask all along.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django
import redis

from tests.nightly.cut_off import CARS, HOUR, SPEED, Changes, Reader, Site, at_site, in_rows
from tests.running import Run, free_port, fresh_shell, soon, started

AFTER = 2.0  # seconds of load before the link breaks
QUIET = 120.0  # seconds for the repair


def main() -> int:
    """Do it, and say how it went; 1 if something stayed lost or a car was sent backwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--behind", type=float, default=10, help="seconds that the replica lacks")
    behind = parser.parse_args().behind
    with tempfile.TemporaryDirectory(prefix="connectivity-promotion-") as folder:
        port = str(free_port())
        primary = Site(Path(folder) / "primary", "--port", port, "--bind", "127.0.0.1")
        replica = Site(Path(folder) / "replica")
        try:
            given = {"REDIS_URL": primary.server.url}
            with started(fresh_shell(Path(folder)) | given) as run:
                os.environ.update(run.joined(), DJANGO_SETTINGS_MODULE="connectivity.settings.web")
                django.setup()
                return _promoted(run, Pair(primary, replica, port), behind)
        finally:
            for site in (primary, replica):
                site.close()


class Pair:
    """A primary, at whose address the site is, and its replica."""

    def __init__(self, primary: Site, replica: Site, port: str) -> None:
        self.url = primary.server.url
        self._primary, self._replica = primary, replica
        self._tell("REPLICAOF", "127.0.0.1", port)
        assert soon(lambda: b"master_link_status:up" in self._said()), "The replica gets nothing."

    def cut(self) -> None:
        """Have the replica hear no more; it keeps what it has."""
        self._tell("REPLICAOF", "127.0.0.1", "1")

    def promote(self) -> None:
        """Kill the primary and put the replica in its place."""
        self._primary.kill()
        self._tell("REPLICAOF", "NO", "ONE")
        _socket(self._replica.server.url).replace(_socket(self.url))

    def _said(self) -> bytes:
        return bytes(self._tell("INFO", "replication"))

    def _tell(self, *words: str) -> Any:
        with redis.Redis.from_url(self._replica.server.url) as connection:
            connection.response_callbacks.clear()
            return connection.execute_command(*words)


def _socket(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _promoted(run: Run, pair: Pair, behind: float) -> int:
    from billing import clock
    from fleet import credentials
    from fleet.models import Vehicle
    from tests import factories

    for _ in range(1_000):
        factories.next_vin()  # Those of the demo's cars are among them.
    ids = [factories.make_car().vehicle.id for _ in range(CARS)]
    assert soon(lambda: at_site(pair.url, ids) == in_rows(ids)), "not told at first"
    expires, cars = int(clock.unix()) + 24 * HOUR, Vehicle.objects.in_bulk(ids)
    tokens = {each: credentials.issue(cars[each], expires) for each in ids}
    early, late = ids[::2], ids[1::2]
    changes, reader = Changes(early), Reader(run.environ["EDGE_PORT"], tokens)
    for each in (changes, reader):
        each.start()
    try:
        time.sleep(AFTER)
        pair.cut()
        time.sleep(behind / 2)
        changes.ids = late
        clock.advance(2 * HOUR)
        time.sleep(behind / 2)
        due = dict(zip(ids, in_rows(ids), strict=True))
        pair.promote()
        lost = sum(a < b for a, b in zip(at_site(pair.url, ids), due.values(), strict=True))
        repaired = _repaired(pair.url, due, {"late": late, "early": early})
    finally:
        for each in (changes, reader):
            each.over.set()
            each.join()
    equal = bool(soon(lambda: at_site(pair.url, ids) == in_rows(ids), 30))
    counted = in_rows(ids) == [1 + changes.counted[each] for each in ids]
    print(
        f"{changes.counted.total():,} changes at up to {SPEED} a second; the replica that was "
        f"promoted lacked the last {behind:g} s: {lost} of {CARS} cars\n"
        f"the last hour's were there {repaired.get('late', -1):.1f} s after the promotion, by the "
        f"watch; older ones {repaired.get('early', -1):.1f} s after it, by the scrub\n"
        f"all equal at the end: {equal}; each change is a version: {counted}\n"
        f"answers to cars: {dict(reader.answers)}, slowest {reader.slowest:.2f} s, sent backwards: "
        f"{len(reader.backwards)}"
    )
    good = equal and counted and lost and len(repaired) == 2 and not reader.backwards
    return 0 if good else 1


def _repaired(url: str, due: Mapping[Any, int], groups: dict[str, list[Any]]) -> dict[str, float]:
    """After how many seconds the site has of each group what was due, or newer."""
    began, found = time.monotonic(), dict[str, float]()
    while len(found) < len(groups) and time.monotonic() - began < QUIET:
        for name, ids in groups.items():
            there = zip(ids, at_site(url, ids), strict=True)
            if name not in found and all(version >= due[each] for each, version in there):
                found[name] = time.monotonic() - began
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
