"""Keeps the newest mails in SQLite and finds the code that a mail brings."""

import contextlib
import dataclasses
import datetime as dt
import email
import email.message
import email.parser
import email.policy
import json
import re
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

_KEPT = 2000
_TEXT_LIMIT = 200_000

# A sign-in code stands alone on its line: letters and digits, perhaps in two groups.
_CODE = re.compile(r"^\s*([A-Z0-9]{4,8}(?:-[A-Z0-9]{3,4})?)\s*$", re.MULTILINE)
_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclasses.dataclass(frozen=True)
class Mail:
    """One mail as it is shown."""

    id: int
    to: list[str]
    sender: str
    subject: str
    text: str
    at: str

    @property
    def code(self) -> str | None:
        """The sign-in code in the mail, if it brings one."""
        found = _CODE.search(self.text)
        return found.group(1) if found else None

    @property
    def links(self) -> list[str]:
        """The addresses that the mail names, each once."""
        return list(dict.fromkeys(link.rstrip(".,;)") for link in _LINK.findall(self.text)))


class Inbox:
    """Every mail that this machine sent, the newest 2,000 of them."""

    def __init__(self, path: Path, durable: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._synchronous = "FULL" if durable else "OFF"
        self._lock = threading.Lock()
        with self._database() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY, recipients TEXT, "
                "sender TEXT, subject TEXT, text TEXT, at TEXT)"
            )

    def receive(self, content: bytes, *, sender: str, recipients: list[str]) -> None:
        """Keep a mail as SMTP brought it."""
        parser = email.parser.BytesParser(policy=email.policy.default)
        message = parser.parsebytes(content)
        received_at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        row = (
            json.dumps(recipients),
            sender,
            str(message["subject"] or "").strip(),
            _text_of(message)[:_TEXT_LIMIT],
            received_at.replace("+00:00", "Z"),
        )
        with self._lock, self._database() as db:
            db.execute(
                "INSERT INTO mails (recipients, sender, subject, text, at) VALUES (?, ?, ?, ?, ?)",
                row,
            )
            db.execute("DELETE FROM mails WHERE id <= (SELECT max(id) FROM mails) - ?", (_KEPT,))

    def newest(self, *, to: str | None = None, limit: int = _KEPT) -> list[Mail]:
        """The newest mails first; with `to`, only those to that address, in any case."""
        addressed = (
            "EXISTS (SELECT 1 FROM json_each(recipients) WHERE lower(value) = lower(?))"
            if to
            else "? IS NULL"
        )
        with self._database() as db:
            rows = db.execute(
                "SELECT id, recipients, sender, subject, text, at FROM mails "  # noqa: S608 - two constants
                f"WHERE {addressed} ORDER BY id DESC LIMIT ?",
                (to or None, limit),
            ).fetchall()
        return [Mail(row[0], json.loads(row[1]), *row[2:]) for row in rows]

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=30)) as db, db:
            db.execute(f"PRAGMA synchronous = {self._synchronous}")
            yield db


def _text_of(message: email.message.EmailMessage) -> str:
    body = message.get_body(preferencelist=("plain", "html"))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, UnicodeError):
        payload = body.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
