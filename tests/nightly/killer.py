"""Kills processes at chosen moments, and counts what each kill hit.

# Note [Between an intent and its answer]
Such a kill is counted, never guessed. The sandbox holds a call, before or after its effect; the
port that the call comes from says which process made it; the intent's row says that the attempt is
committed and not answered. Then that process is killed, and the row is read once more. Only then
is the held call dropped, or let go: what a dead process sent may still arrive.
"""

import collections
import dataclasses
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
from django.db import connections

from billing.models import Intent
from tests.nightly.processes import System, kill, owner_of_port

GLANCE = 0.03
ARMED_FOR = 1.5  # seconds until a random kill comes instead
# What is killed at random, and how often of a hundred: a parent takes its children with it, and
# costs the machine more to start again.
RANDOMLY = {
    "web's child": 34,
    "worker's child": 34,
    "web": 10,
    "worker": 14,
    "beat": 8,
}


@dataclasses.dataclass(frozen=True)
class Trap:
    """A moment to kill at: which call is held, on which side of its effect, what becomes of it."""

    name: str
    method: str
    path: str
    kind: str
    outcome: str


TRAPS = (
    Trap("call not done", "POST", "/v1/", "pause", "drop"),
    Trap("call done, answer unheard", "POST", "/v1/", "pause_after", "drop"),
    Trap("call done after its maker died", "POST", "/v1/", "pause", "go"),
    Trap("end not done", "DELETE", "/v1/subscriptions", "pause", "drop"),
    Trap("end done, answer unheard", "DELETE", "/v1/subscriptions", "pause_after", "drop"),
    Trap("end done after its maker died", "DELETE", "/v1/subscriptions", "pause", "go"),
    Trap("while it reads a subscription", "GET", "/v1/subscriptions/", "pause", "drop"),
)


class Killer(threading.Thread):
    """Kills until it is told to stop."""

    def __init__(
        self, system: System, *, every: float, seed: int, may_kill: Callable[[int], bool]
    ) -> None:
        super().__init__(name="killer")
        self._system = system
        self._every = every
        self._may_kill = may_kill
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._traps = f"{system.sandbox}/sandbox/stripe"
        self.victims: collections.Counter[str] = collections.Counter()
        self.moments: collections.Counter[str] = collections.Counter()
        self.intents: collections.Counter[str] = collections.Counter()
        self.lost: list[str] = []

    @property
    def kills(self) -> int:
        """How many processes were killed, not counting those that went with their parents."""
        return self.victims.total()

    @property
    def between(self) -> int:
        """How many died between an intent and its answer."""
        return self.intents.total()

    def run(self) -> None:
        """Kill, one after the other."""
        try:
            while not self._over.is_set():
                began = time.monotonic()
                if not self._may_kill(self.kills):
                    self._over.wait(0.1)
                    continue
                try:
                    if not self._trap(self._random.choice(TRAPS)):
                        self._kill_anybody()
                except Exception as error:  # noqa: BLE001 -- it is told, and fails the run
                    self.lost.append(f"{type(error).__name__}: {error}")
                self._over.wait(max(0.0, self._every - (time.monotonic() - began)))
        finally:
            requests.delete(f"{self._traps}/faults", timeout=30)
            connections.close_all()

    def stop(self) -> None:
        """Let everybody live from now on."""
        self._over.set()
        self.join()

    def _trap(self, trap: Trap) -> bool:
        """Hold the next such call and kill its maker; False if none came, or it got away."""
        planted = {"kind": trap.kind, "method": trap.method, "path": trap.path}
        requests.post(f"{self._traps}/faults", planted, timeout=30).raise_for_status()
        deadline = time.monotonic() + ARMED_FOR
        while not (held := self._held()):
            if time.monotonic() > deadline or self._over.is_set():
                requests.delete(f"{self._traps}/faults", timeout=30)
                return False
            time.sleep(GLANCE)
        try:
            return self._kill_maker(held, trap)
        finally:
            number, outcome = held["id"], {"outcome": trap.outcome}
            requests.post(f"{self._traps}/paused/{number}", outcome, timeout=30)

    def _held(self) -> dict[str, Any] | None:
        answer = requests.get(f"{self._traps}/paused", timeout=30)
        return next(iter(answer.json()["data"]), None)

    def _kill_maker(self, held: dict[str, Any], trap: Trap) -> bool:
        """See Note [Between an intent and its answer]."""
        victims = self._victims()
        pid = owner_of_port(held["port"], list(victims))
        if pid is None:
            return False  # It gave up waiting, or was killed just before.
        intent = None if trap.method == "GET" else self._unanswered(held)
        if trap.method != "GET" and intent is None:
            return False
        if not kill(pid):
            return False
        if intent is not None:
            intent.refresh_from_db()
            if intent.answered_at is not None:
                return False
            self.intents[f"{intent.kind}: {trap.name}"] += 1
        self.moments[trap.name] += 1
        self.victims[victims[pid]] += 1
        return True

    def _unanswered(self, held: dict[str, Any]) -> Intent | None:
        """The intent whose call this is, if its row says that it was begun and not answered."""
        # What follows the key of the intent is the attempt's generation and what it is about.
        parts = held["key"].split(":")
        keys = [":".join(parts[:count]) for count in range(1, len(parts) + 1)]
        begun = Intent.objects.filter(idempotency_key__in=keys, first_attempt_at__isnull=False)
        return begun.filter(answered_at=None).order_by("-idempotency_key").first()

    def _victims(self) -> dict[int, str]:
        """All that may be killed, and what each is."""
        keeper, found = self._system.keeper, {}
        for name in keeper.names():
            sort = name.partition("-")[0]
            found[keeper.parent(name)] = sort
            if sort != "beat":
                found |= dict.fromkeys(keeper.children(name), f"{sort}'s child")
        return found

    def _kill_anybody(self) -> None:
        sort = self._random.choices(list(RANDOMLY), list(RANDOMLY.values()))[0]
        which = [pid for pid, is_a in self._victims().items() if is_a == sort]
        if which and kill(self._random.choice(which)):
            self.victims[sort] += 1
            self.moments["at any moment"] += 1
