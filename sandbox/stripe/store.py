"""Keeps Stripe's objects in SQLite: whole bodies, in the order they were made, in transactions."""

import contextlib
import dataclasses
import json
import secrets
import sqlite3
import string
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sandbox.stripe.errors import no_such

Body = dict[str, Any]

_ALPHABET = string.ascii_letters + string.digits

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    body TEXT NOT NULL,
    private TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS objects_by_customer
    ON objects (kind, json_extract(body, '$.customer'), seq);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY,
    event TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed'))
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS due_actions (
    id INTEGER PRIMARY KEY,
    due_at INTEGER NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    clock TEXT,
    UNIQUE (action, subject)
);
CREATE INDEX IF NOT EXISTS due_actions_in_order ON due_actions (due_at, id);
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER,
    body TEXT,
    request_id TEXT,
    made_at INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


def new_id(prefix: str) -> str:
    """A fresh id as Stripe makes them: a prefix that says the kind, then letters and digits."""
    return f"{prefix}_1{''.join(secrets.choice(_ALPHABET) for _ in range(23))}"


@dataclasses.dataclass(frozen=True)
class Record:
    """A stored object: what the API shows, and what only the sandbox knows of it."""

    body: Body
    private: Body


class Transaction:
    """One unit of work at one instant of the sandbox's clock."""

    def __init__(self, db: sqlite3.Connection, *, now: int, public_url: str) -> None:
        self.db = db
        self.now = now
        self.public_url = public_url
        # What the sandbox's clock says, whatever test clock this work lives by.
        self.wall = now
        self.test_clock: str | None = None
        # The request that causes this work, as events name it; time causes work of its own.
        self.request_id: str | None = None
        self.idempotency_key: str | None = None

    def live_by(self, test_clock: str, now: int) -> None:
        """From here on it is `now`, as a test clock says that all of this belongs to."""
        self.test_clock, self.now = test_clock, now

    def insert(self, body: Body, private: Body | None = None) -> Body:
        """Store a new object under its own id and kind."""
        if self.test_clock is not None and "test_clock" in body:
            body["test_clock"] = self.test_clock
        self.db.execute(
            "INSERT INTO objects (id, kind, body, private) VALUES (?, ?, ?, ?)",
            (body["id"], body["object"], json.dumps(body), json.dumps(private or {})),
        )
        return body

    def save(self, body: Body) -> Body:
        """Replace what the API shows of an object."""
        self.db.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))
        return body

    def change(self, body: Body, **fields: Any) -> Body:
        """Set these fields of an object, save it, and return what those that differ were before."""
        previous = {name: body[name] for name, value in fields.items() if body[name] != value}
        body.update(fields)
        self.save(body)
        return previous

    def save_private(self, object_id: str, private: Body) -> None:
        """Replace what only the sandbox knows of an object."""
        self.db.execute(
            "UPDATE objects SET private = ? WHERE id = ?", (json.dumps(private), object_id)
        )

    def delete(self, body: Body) -> None:
        """Keep the object's remains for those who ask by id, but in no list."""
        self.db.execute(
            "UPDATE objects SET deleted = 1, body = ? WHERE id = ?", (json.dumps(body), body["id"])
        )

    def record(self, object_id: str, kind: str | None = None) -> Record | None:
        """The object with this id (and of this kind), or None."""
        row = self.db.execute(
            "SELECT kind, body, private FROM objects WHERE id = ?", (object_id,)
        ).fetchone()
        if row is None or (kind is not None and row[0] != kind):
            return None
        return Record(json.loads(row[1]), json.loads(row[2]))

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Body:
        """The object with this id; raises Stripe's resource_missing, naming the parameter."""
        found = self.record(object_id, kind)
        if found is None or (param != "id" and found.body.get("deleted")):
            raise no_such(kind, object_id, param)
        return found.body

    def private(self, object_id: str) -> Body:
        """What only the sandbox knows of a stored object."""
        found = self.record(object_id)
        if found is None:
            raise KeyError(object_id)
        return found.private

    def select(
        self, kind: str, condition: str = "1", values: Sequence[object] = (), *, tail: str = ""
    ) -> list[Body]:
        """Bodies of one kind, newest first unless `tail` orders them otherwise."""
        rows = self.db.execute(
            f"SELECT body FROM objects WHERE kind = ? AND deleted = 0 AND ({condition}) "  # noqa: S608 - conditions are constants of this package
            + (tail or "ORDER BY seq DESC"),
            (kind, *values),
        )
        return [json.loads(row[0]) for row in rows]


class Store:
    """One SQLite file: many readers, one writer at a time."""

    def __init__(
        self, path: Path, *, clock: Callable[[], int], public_url: str, durable: bool = True
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._clock = clock
        self._public_url = public_url
        self._synchronous = "NORMAL" if durable else "OFF"
        self._writing = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._after_commit: list[Callable[[], None]] = []
        with self._connection() as db:
            db.executescript("PRAGMA journal_mode = WAL;" + _SCHEMA)
            if "made_at" not in [row[1] for row in db.execute("PRAGMA table_info(idempotency)")]:
                db.execute("ALTER TABLE idempotency ADD made_at INTEGER NOT NULL DEFAULT 0")
            if "clock" not in [row[1] for row in db.execute("PRAGMA table_info(due_actions)")]:
                db.execute("ALTER TABLE due_actions ADD clock TEXT")
            # A request that a crash cut short has left no effect: its key is free again.
            db.execute("DELETE FROM idempotency WHERE status IS NULL")

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have `call` made after each committed writing transaction."""
        self._after_commit.append(call)

    @contextlib.contextmanager
    def writing(self, *, now: int | None = None) -> Iterator[Transaction]:
        """A transaction that alone may write; `now` stamps the work of an earlier instant."""
        with self._writing, self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield self._transaction(db, now)
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
        for call in self._after_commit:
            call()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A consistent look at the whole store."""
        with self._connection() as db:
            db.execute("BEGIN")
            try:
                yield self._transaction(db, None)
            finally:
                db.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _transaction(self, db: sqlite3.Connection, now: int | None) -> Transaction:
        return Transaction(
            db, now=self._clock() if now is None else now, public_url=self._public_url
        )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._idle.pop()
        except IndexError:
            db = sqlite3.connect(
                self._path, isolation_level=None, check_same_thread=False, timeout=30
            )
            db.execute(f"PRAGMA synchronous = {self._synchronous}")
        try:
            yield db
        finally:
            self._idle.append(db)
