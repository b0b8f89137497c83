"""Delivers events to their endpoints: signed, outside any lock, again and again until taken."""

import dataclasses
import hashlib
import hmac
import http.client
import json
import logging
import queue
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable

from sandbox.stripe.recording import Recorder
from sandbox.stripe.store import Body, Store

log = logging.getLogger(__name__)

# Seconds from one attempt to the next; the last one repeats until the event is three days old.
_PACE = (1, 2, 5, 10, 30, 60, 300, 1800, 7200, 21600)
_GIVE_UP_AFTER = 3 * 86400
_TIMEOUT = 10
_WORKERS = 4

# Takes an address, a body and its Stripe-Signature; gives the status, or None without an answer.
Send = Callable[[str, str, str], int | None]


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One delivery that was tried: the endpoint's status, or None if it did not answer."""

    event: str
    type: str
    status: int | None

    @property
    def taken(self) -> bool:
        """Whether the endpoint said that it has the event."""
        return self.status is not None and 200 <= self.status < 300


class Deliverer:
    """Sends what the deliveries table holds; what it has not finished survives a restart."""

    def __init__(
        self, store: Store, clock: Callable[[], int], recorder: Recorder, send: Send | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._recorder = recorder
        self._send = send or post
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._work: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._under_way: set[int] = set()
        self._lock = threading.Lock()
        self._held = False
        self._threads = [threading.Thread(target=self._watch, name="sandbox-events", daemon=True)]
        self._threads += [
            threading.Thread(target=self._drain, name=f"sandbox-webhook-{number}", daemon=True)
            for number in range(_WORKERS)
        ]
        store.after_commit(self._wake.set)

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop soon; an attempt that an endpoint still holds up is tried again after a restart."""
        self._stopping.set()
        self._wake.set()
        for _ in range(_WORKERS):
            self._work.put(None)
        for thread in filter(threading.Thread.is_alive, self._threads):
            thread.join(timeout=0.5)

    def hold(self) -> None:
        """Deliver nothing by itself until `resume`; returns when nothing is under way any more."""
        self._held = True
        deadline = time.monotonic() + _TIMEOUT
        while self._under_way and time.monotonic() < deadline:
            time.sleep(0.005)

    def resume(self) -> None:
        """Deliver everything again as it comes."""
        self._held = False
        self._wake.set()

    def waiting(self) -> list[Body]:
        """The deliveries that are not done, in the order in which they were made."""
        with self._store.reading() as tx:
            rows = tx.db.execute(
                "SELECT deliveries.id, event, json_extract(body, '$.type'), "
                "json_extract(body, '$.created'), attempts "
                "FROM deliveries JOIN objects ON objects.id = event "
                "WHERE state = 'pending' ORDER BY deliveries.id"
            ).fetchall()
        names = ("delivery", "id", "type", "created", "attempts")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def chosen(self, names: Iterable[str]) -> list[int]:
        """The deliveries that `names` means, in its order: an event's id means all of that event,
        whatever became of them; a type means those that wait."""
        waiting, found = self.waiting(), []
        with self._store.reading() as tx:
            for name in names:
                rows = tx.db.execute("SELECT id FROM deliveries WHERE event = ?", (name,))
                found += [row[0] for row in rows]
                found += [each["delivery"] for each in waiting if each["type"] == name]
        return found

    def drop(self, deliveries: Iterable[int]) -> int:
        """Never deliver these by itself, as after three days of failure; returns how many."""
        with self._store.writing() as tx:
            return sum(
                tx.db.execute(
                    "UPDATE deliveries SET state = 'failed' WHERE id = ? AND state = 'pending'",
                    (delivery,),
                ).rowcount
                for delivery in deliveries
            )

    def deliver(self, delivery: int, *, again: bool = False) -> Attempt | None:
        """Try one delivery now; one that is not waiting is made once more only if `again`."""
        with self._store.reading() as tx:
            row = tx.db.execute(
                "SELECT event, endpoint, attempts FROM deliveries "
                "WHERE id = ? AND (state = 'pending' OR ?)",
                (delivery, again),
            ).fetchone()
            event = row and tx.record(row[0])
            endpoint = row and tx.record(row[1])
        if row is None or event is None or endpoint is None or endpoint.body.get("deleted"):
            return None
        body = json.dumps(event.body)
        self._recorder.event(body)
        tried_at = self._clock()
        signed = signature(body, secrets_of(endpoint.private), int(time.time()))
        status = self._send(endpoint.body["url"], body, signed)
        attempt = Attempt(row[0], event.body["type"], status)
        self._note(delivery, row[2], tried_at, event.body["created"], attempt)
        return attempt

    def _note(
        self, delivery: int, attempts: int, tried_at: int, created: int, attempt: Attempt
    ) -> None:
        state = "pending"
        if attempt.taken:
            state = "delivered"
        elif tried_at > created + _GIVE_UP_AFTER:
            state = "failed"
        again = tried_at + _PACE[min(attempts, len(_PACE) - 1)]
        with self._store.writing() as tx:
            tx.db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, due_at = ?, "
                # What was given up stays so, unless this time it was taken.
                "state = iif(state = 'failed' AND ? = 'pending', 'failed', ?) "
                "WHERE id = ? AND state != 'delivered'",
                (again, state, state, delivery),
            )
            tx.db.execute(
                "UPDATE objects SET body = json_set(body, '$.pending_webhooks', "
                "(SELECT count(*) FROM deliveries WHERE event = objects.id AND state = 'pending')) "
                "WHERE id = ?",
                (attempt.event,),
            )

    def _watch(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(0.2)
            self._wake.clear()
            if not self._held:
                self._hand_out()

    def _hand_out(self) -> None:
        with self._store.reading() as tx:
            rows = tx.db.execute(
                "SELECT id FROM deliveries WHERE state = 'pending' AND due_at <= ? "
                "ORDER BY due_at, id LIMIT 500",
                (self._clock(),),
            ).fetchall()
        with self._lock:
            fresh = [row[0] for row in rows if row[0] not in self._under_way]
            self._under_way.update(fresh)
        for delivery in fresh:
            self._work.put(delivery)

    def _drain(self) -> None:
        while (delivery := self._work.get()) is not None:
            if not self._stopping.is_set() and not self._held:
                try:
                    self.deliver(delivery)
                except Exception:
                    log.exception("A webhook could not be delivered; it is tried again.")
            with self._lock:
                self._under_way.discard(delivery)


def secrets_of(private: Body) -> list[str]:
    """The secrets that sign for an endpoint: its own, and while it is rolled the old one too."""
    return [private[name] for name in ("secret", "old_secret") if private.get(name)]


def signature(body: str, secrets: list[str], at: int) -> str:
    """The Stripe-Signature header. The whole secret is the key, `whsec_` included."""
    # The wall clock signs: a receiver refuses what is older than five minutes by its own.
    signed = f"{at}.{body}".encode()
    digests = [hmac.new(one.encode(), signed, hashlib.sha256).hexdigest() for one in secrets]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


def post(url: str, body: str, signed: str) -> int | None:
    """POST a signed event; the status of the answer, or None if there was none."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (sandbox)",
        "Stripe-Signature": signed,
    }
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body.encode(), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
