"""Writes each exchange and each delivered event down, for a check of them all afterwards."""

import json
import os
import re
from pathlib import Path

from sandbox.stripe.store import Body

# A client that sends a card number where none belongs must not find it in a file afterwards.
_CARD_NUMBER = re.compile(r"(?<![0-9A-Za-z])\d{13,19}(?![0-9A-Za-z])")


class Recorder:
    """Appends one JSON line per exchange or event; without a file it does nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def exchange(self, method: str, url: str, form: str, status: int, response: Body) -> None:
        """One call of the API with its answer."""
        self._append(
            {
                "method": method,
                "url": _CARD_NUMBER.sub("[card]", url),
                "form": _CARD_NUMBER.sub("[card]", form),
                "status": status,
                "response": response,
            }
        )

    def event(self, body: str) -> None:
        """One event in the very words in which it was delivered."""
        self._append({"event": json.loads(body)})

    def _append(self, line: Body) -> None:
        if self._path is None:
            return
        # One write to a file that is open for appending: processes that share it never mix lines.
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)
