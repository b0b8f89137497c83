"""Vehicles by the million: their rows, their snapshots, and what each asks.

The n-th is the same in all of them: two grants, of the factory and of goodwill, and one of 36 sets
of traits. Ids grow as those of real vehicles do.
"""

import hashlib
import socket
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import hiredis

from bench.ground import Ground
from bench.rivals import stored
from billing import queries
from billing.entitlements import Grant
from fleet import access, credentials, delivery, rows, snapshots
from fleet.models import Vehicle
from fleet.snapshots import Snapshot

DAY = 86_400
BATCH = 2_000
MODELS, HARDWARE, MARKETS = ("model_s", "model_3", "model_y"), ("mcu2", "mcu3"), 6
COUNTRIES = ("US", "DE", "FR", "GB", "NL", "NO")
_VEHICLES = """
    INSERT INTO fleet_vehicle (id, vin, model, hardware, market, public_key,
        credential_generation, lifetime_premium, created_at)
    SELECT (lpad(to_hex(n), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid,
        '5YJ3E' || lpad(n::text, 12, '0'), (%(models)s::text[])[1 + n %% 3],
        (%(hardware)s::text[])[1 + n / 3 %% 2], (%(markets)s::text[])[1 + n / 6 %% 6], '', 1, false,
        now()
    FROM (SELECT n, md5('car' || n) AS h FROM generate_series(1, %(count)s) AS n) AS numbered
"""
_SUBJECTS = "INSERT INTO billing_subject (id, version) SELECT id, 7 FROM fleet_vehicle"
_GRANTS = """
    INSERT INTO billing_grant (subject_id, plan, starts_at, ends_at, source, created_at)
    SELECT id, 'premium', to_timestamp(%(first)s), to_timestamp(%(turn)s), 'factory', now()
    FROM billing_subject UNION ALL
    SELECT id, 'premium', to_timestamp(%(turn)s), to_timestamp(%(last)s), 'goodwill', now()
    FROM billing_subject
"""
_TAKEN = """
    SELECT sum(pg_total_relation_size(name::regclass))
    FROM unnest(ARRAY['fleet_vehicle', 'billing_subject', 'billing_grant']) AS name
"""


class Fleet:
    """So many vehicles, as of an instant; numbered from 1."""

    def __init__(self, now: int) -> None:
        self.now = now
        self._grants = (
            Grant("premium", now - 300 * DAY, now - 10 * DAY, "factory"),
            Grant("premium", now - 10 * DAY, now + 20 * DAY, "goodwill"),
        )

    def vehicle(self, n: int) -> Vehicle:
        """The n-th, as a row would give it."""
        digest = hashlib.md5(b"car%d" % n, usedforsecurity=False).hexdigest()
        return Vehicle(
            id=UUID(f"{n:012x}7{digest[:3]}8{digest[3:18]}"),
            vin=f"5YJ3E{n:012d}",
            model=MODELS[n % 3],
            hardware=HARDWARE[n // 3 % 2],
            market=COUNTRIES[n // 6 % 6],
            public_key="",
        )

    def snapshot(self, n: int) -> Snapshot:
        """What a site knows of the n-th."""
        digest = hashlib.md5(b"car%d" % n, usedforsecurity=False).hexdigest()
        traits = Vehicle.traits_of(MODELS[n % 3], HARDWARE[n // 3 % 2], COUNTRIES[n // 6 % 6])
        return Snapshot(
            vehicle_id=UUID(f"{n:012x}7{digest[:3]}8{digest[3:18]}"),
            version=7,
            generation=1,
            removed=False,
            traits=traits,
            consents=(),
            grants=self._grants,
        )

    def record(self, ground: Ground, count: int) -> int:
        """Make the rows of the first so many, and see that they say what the snapshots say.

        Return how many bytes they take, with their indexes.
        """
        facts, later = self._grants
        with ground.postgres() as db, db.transaction():
            lists = {"models": list(MODELS), "hardware": list(HARDWARE), "markets": list(COUNTRIES)}
            db.execute(_VEHICLES, {**lists, "count": count})
            db.execute(_SUBJECTS)
            ends = {"first": facts.starts_at, "turn": facts.ends_at, "last": later.ends_at}
            db.execute(_GRANTS, ends)
        with ground.postgres() as db:
            db.execute("VACUUM ANALYZE fleet_vehicle, billing_subject, billing_grant")
            taken = db.execute(_TAKEN).fetchone()
        for n in (1, count // 2, count):
            if rows.load([self.vehicle(n).id]) != [self.snapshot(n)]:
                raise RuntimeError(f"The rows of vehicle {n} do not say what its snapshot says.")
        return int(str(taken[0])) if taken else 0

    def store(self, ground: Ground, site: str, numbers: Sequence[int]) -> None:
        """Write snapshots to a site with the product's own commands, many at once."""
        delivery.publish_lease_schedule(site)
        delivery.publish_catalog(site)
        delivery.publish_pace(site)
        todo = iter(numbers)
        with _connected(ground.sites[site]) as line:
            while batch := list(islice(todo, BATCH)):
                _tell(line, snapshots.commands(map(self.snapshot, batch)))

    def store_for_rivals(self, ground: Ground, site: str, numbers: Sequence[int]) -> None:
        """Write what the rivals read."""
        todo = iter(numbers)
        with ground.valkey(site) as first:
            first.ping()
        with _connected(ground.sites[site]) as line:
            _tell(line, [("SELECT", 1)])
            while batch := list(islice(todo, BATCH)):
                _tell(line, [self._for_rivals(n) for n in batch])

    def _for_rivals(self, n: int) -> tuple[Any, ...]:
        vehicle = self.vehicle(n)
        value = stored.document(vehicle.vin, 7, self._grants)
        return ("SET", stored.KEY + vehicle.id.hex, value)

    def requests(self, file: Path, numbers: Sequence[int], *, tags: bool) -> Path:
        """Write what these vehicles ask with, each with its own token and, or not, its ETag."""
        sold, expires = queries.catalog(), self.now + DAY
        with file.open("w") as lines:
            for n in numbers:
                token = credentials.issue(self.vehicle(n), expires)
                tag = access.check(self.snapshot(n), sold, now=self.now).etag if tags else ""
                lines.write(f"{token}\t{tag}\n")
        return file


def spread(total: int, count: int) -> list[int]:
    """So many numbers evenly out of 1 to `total`, in no order that a cache would like."""
    step = total // count
    numbers = [1 + at * step for at in range(count)]
    return sorted(numbers, key=lambda n: hashlib.md5(b"%d" % n, usedforsecurity=False).digest())


def _connected(url: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.connect(unquote(urlsplit(url).path))
    return line


def _tell(line: socket.socket, commands: Sequence[tuple[Any, ...]]) -> None:
    line.sendall(b"".join(hiredis.pack_command(command) for command in commands))
    for reply in _replies(line, len(commands)):
        if isinstance(reply, Exception):
            raise reply


def _replies(line: socket.socket, count: int) -> Iterator[Any]:
    reader = hiredis.Reader()
    while count:
        reply = reader.gets()
        if reply is False:
            reader.feed(line.recv(1 << 16))
            continue
        count -= 1
        yield reply
