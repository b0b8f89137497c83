"""Makes the API fail on purpose, as networks and busy servers do, for those who test against it."""

import dataclasses
import itertools
import threading

KINDS = (
    *("error", "error_after", "drop", "drop_after"),
    *("rate_limit", "outage", "pause", "pause_after"),
)
LONGEST_PAUSE = 60.0  # seconds, for a call that nobody lets go
GO, DROP = "go", "drop"


@dataclasses.dataclass
class Fault:
    """What the next calls meet: `error` a 500, `drop` a connection cut without an answer,
    `rate_limit` a 429, `outage` a 503 until it is cleared, `pause` a wait until somebody lets it
    go; with `_after`, only when the call has already had its effect."""

    kind: str
    times: int
    method: str
    path: str

    def meets(self, method: str, path: str) -> bool:
        """Whether a call with this method and path meets the fault."""
        return self.times > 0 and self.method in ("", method) and path.startswith(self.path)


@dataclasses.dataclass
class Paused:
    """A call that waits: what it is, and from which port of which process it came."""

    id: int
    kind: str
    method: str
    path: str
    key: str
    port: int
    outcome: str = GO
    let_go: threading.Event = dataclasses.field(default_factory=threading.Event)


class Faults:
    """The faults that wait for their calls, and the calls that wait for somebody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []
        self._paused: dict[int, Paused] = {}
        self._numbers = itertools.count(1)

    def plant(self, kind: str, *, times: int = 1, method: str = "", path: str = "/v1/") -> None:
        """Let the next `times` calls that match meet a fault."""
        with self._lock:
            self._waiting.append(Fault(kind, times, method.upper(), path))

    def clear(self) -> None:
        """Let all calls succeed again."""
        with self._lock:
            self._waiting.clear()
            paused = list(self._paused)
        for one in paused:
            self.let_go(one)

    def take(self, method: str, path: str) -> str | None:
        """The kind of fault that this call meets, if any."""
        with self._lock:
            for fault in self._waiting:
                if fault.meets(method, path):
                    fault.times -= fault.kind != "outage"
                    return fault.kind
        return None

    def pause(self, kind: str, method: str, path: str, *, key: str, port: int) -> bool:
        """Wait until somebody lets this call go; whether it is to go on."""
        call = Paused(next(self._numbers), kind, method, path, key, port)
        with self._lock:
            self._paused[call.id] = call
        call.let_go.wait(LONGEST_PAUSE)
        with self._lock:
            self._paused.pop(call.id, None)
        return call.outcome == GO

    def paused(self) -> list[dict[str, str | int]]:
        """The calls that wait now, the oldest first."""
        with self._lock:
            waiting = list(self._paused.values())
        names = ("id", "kind", "method", "path", "key", "port")
        return [{name: getattr(call, name) for name in names} for call in waiting]

    def let_go(self, number: int, outcome: str = GO) -> bool:
        """Let a call go on, or drop it; whether it was still waiting."""
        with self._lock:
            call = self._paused.get(number)
        if call is None:
            return False
        call.outcome = outcome
        call.let_go.set()
        return True
