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
from collections.abc import Callable

from sandbox.stripe.recording import Recorder
from sandbox.stripe.store import Store

log = logging.getLogger(__name__)

# Seconds from one attempt to the next; the last one repeats until the event is three days old.
_PACE = (1, 2, 5, 10, 30, 60, 300, 1800, 7200, 21600)
_GIVE_UP_AFTER = 3 * 86400
_TIMEOUT = 10
_WORKERS = 4


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

    def __init__(self, store: Store, clock: Callable[[], int], recorder: Recorder) -> None:
        self._store = store
        self._clock = clock
        self._recorder = recorder
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
        for thread in self._threads:
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

    def pending(self) -> list[int]:
        """The deliveries that are not done, in the order in which they were made."""
        with self._store.reading() as tx:
            rows = tx.db.execute("SELECT id FROM deliveries WHERE state = 'pending' ORDER BY id")
            return [row[0] for row in rows]

    def deliver(self, delivery: int, *, again: bool = False) -> Attempt | None:
        """Try one delivery now; one that is done already is made once more only if `again`."""
        wanted = ("pending", "delivered") if again else ("pending", "pending")
        with self._store.reading() as tx:
            row = tx.db.execute(
                "SELECT event, endpoint, attempts FROM deliveries WHERE id = ? AND state IN (?, ?)",
                (delivery, *wanted),
            ).fetchone()
            event = row and tx.record(row[0])
            endpoint = row and tx.record(row[1])
        if row is None or event is None or endpoint is None or endpoint.body.get("deleted"):
            return None
        body = json.dumps(event.body)
        self._recorder.event(body)
        status = send(endpoint.body["url"], body, endpoint.private["secret"])
        attempt = Attempt(row[0], event.body["type"], status)
        self._note(delivery, row[2], event.body["created"], attempt)
        return attempt

    def _note(self, delivery: int, attempts: int, created: int, attempt: Attempt) -> None:
        now = self._clock()
        state = "pending"
        if attempt.taken:
            state = "delivered"
        elif now > created + _GIVE_UP_AFTER:
            state = "failed"
        again = now + _PACE[min(attempts, len(_PACE) - 1)]
        with self._store.writing() as tx:
            tx.db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, due_at = ?, state = ? "
                "WHERE id = ? AND state != 'delivered'",
                (again, state, delivery),
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


def signature(body: str, secret: str, at: int) -> str:
    """The Stripe-Signature header. The whole secret is the key, `whsec_` included."""
    # The wall clock signs: a receiver refuses what is older than five minutes by its own.
    digest = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def send(url: str, body: str, secret: str) -> int | None:
    """POST a signed event; the status of the answer, or None if there was none."""
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (sandbox)",
        "Stripe-Signature": signature(body, secret, int(time.time())),
    }
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body.encode(), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
