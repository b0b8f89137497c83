"""Sends signed events over kept connections, as fast as they are taken, and times each answer."""

import hashlib
import hmac
import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

SENDERS = 8
OK = 200


@dataclass
class Posted:
    """What came of it: seconds from question to answer, and what was not answered 200."""

    took: list[float] = field(default_factory=list)
    sent: dict[bytes, float] = field(default_factory=dict)  # when each was first sent
    refused: list[str] = field(default_factory=list)
    groups: int = 0
    seconds: float = 0.0


def post(
    url: str,
    secret: str,
    groups: Iterator[list[str]],
    *,
    for_seconds: float,
    a_second: float | None = None,
) -> Posted:
    """Send group after group, each in its order, until the time is over or there is none left.

    At full speed, or so many groups a second at most.
    """
    posted, lock, began = Posted(), threading.Lock(), time.monotonic()
    until = began + for_seconds

    def next_group() -> tuple[list[str], float]:
        with lock:
            turn = max(time.monotonic(), began + posted.groups / a_second if a_second else 0.0)
            group = next(groups, []) if turn < until else []
            posted.groups += bool(group)
            return group, turn

    def send() -> None:
        with Line(url, secret) as line:
            while True:
                group, turn = next_group()
                if not group:
                    return
                time.sleep(max(0.0, turn - time.monotonic()))
                for body in group:
                    line.send(body.encode(), posted)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    posted.seconds = time.monotonic() - began
    return posted


class Line:
    """One connection, which is opened again when the other side has closed it."""

    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        self._path, self._secret = parts.path, secret.encode()
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, body: bytes, posted: Posted) -> None:
        """Send one event, again if the connection was gone."""
        for again in itertools.count():
            began = time.monotonic()
            posted.sent.setdefault(body, began)
            try:
                self._connection.request("POST", self._path, body, self._headers(body))
                answer = self._connection.getresponse()
                answer.read()
            except (http.client.HTTPException, OSError) as error:
                self._connection.close()
                if again > 2:
                    posted.refused.append(repr(error))
                    return
                continue
            posted.took.append(time.monotonic() - began)
            if answer.status != OK:
                posted.refused.append(str(answer.status))
            return

    def _headers(self, body: bytes) -> dict[str, str]:
        at = str(int(time.time()))  # noqa: TID251 -- a signature keeps the machine's own time
        mark = hmac.new(self._secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "Stripe-Signature": f"t={at},v1={mark}"}
