"""What cars ask in one loop turn goes to the site together, with what holds for all of them.

Each round also reads the catalogue, the pace and which key signs leases, so that all are of the
same moment as the vehicles' facts and cost one question for all. It must never know what a value
says.
"""

from typing import Any

from fleet.line import Round, Site, pack
from fleet.snapshots import CATALOG, LEASES, PACE

_FOR_ALL = [pack("GET", key) for key in (CATALOG, PACE, LEASES)]


class Rounds:
    """Gathers the questions of one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._open: Round | None = None

    def join(self, command: bytes) -> tuple[Round, int]:
        """Add a command to the round of this loop turn; return the round and the reply's place."""
        round_ = self._open
        if round_ is None:
            self._open = round_ = Round(self._site.loop, [command])
            self._site.loop.call_soon(self._send)
            return round_, 0
        round_.commands.append(command)
        return round_, len(round_.commands) - 1

    def _send(self) -> None:
        round_, self._open = self._open, None
        if round_ is not None:
            round_.commands += _FOR_ALL
            self._site.send(round_)


def for_all(round_: Round) -> tuple[Any, Any, Any]:
    """The stored catalogue, pace and schedule of lease keys, as the round found them."""
    catalog, pace, leases = round_.replies[-3:]
    return catalog, pace, leases


def get(key: bytes) -> bytes:
    """The command that reads a key, ready to be sent."""
    return pack("GET", key)
