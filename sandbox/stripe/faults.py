"""Makes the API fail on purpose, as networks and busy servers do, for those who test against it."""

import dataclasses
import threading

KINDS = ("error", "error_after", "drop", "drop_after", "rate_limit", "outage")


@dataclasses.dataclass
class Fault:
    """What the next calls meet: `error` a 500, `drop` a connection cut without an answer,
    `rate_limit` a 429, `outage` a 503 until it is cleared; with `_after`, only when the call has
    already had its effect."""

    kind: str
    times: int
    method: str
    path: str

    def meets(self, method: str, path: str) -> bool:
        """Whether a call with this method and path meets the fault."""
        return self.times > 0 and self.method in ("", method) and path.startswith(self.path)


class Faults:
    """The faults that wait for their calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def plant(self, kind: str, *, times: int = 1, method: str = "", path: str = "/v1/") -> None:
        """Let the next `times` calls that match meet a fault."""
        with self._lock:
            self._waiting.append(Fault(kind, times, method.upper(), path))

    def clear(self) -> None:
        """Let all calls succeed again."""
        with self._lock:
            self._waiting.clear()

    def take(self, method: str, path: str) -> str | None:
        """The kind of fault that this call meets, if any."""
        with self._lock:
            for fault in self._waiting:
                if fault.meets(method, path):
                    fault.times -= fault.kind != "outage"
                    return fault.kind
        return None
