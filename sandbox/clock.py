"""Tells the sandbox's time: the wall clock plus an offset that others move, forward only."""

import threading
import time
from pathlib import Path


class Clock:
    """The sandbox's clock. Its file holds the offset: a decimal integer, in seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._offset = 0

    def now(self) -> int:
        """The sandbox's time in whole Unix seconds."""
        return int(time.time()) + self._moved_offset()

    def _moved_offset(self) -> int:
        # A reader may meet the file while it is being written and so empty: an offset that was
        # seen once is never taken back, or time would run backwards for an instant. For the same
        # reason it is read at once: two reads may join digits of two offsets into one far ahead.
        try:
            with self._path.open("rb", buffering=0) as file:
                content = file.read(64).decode("ascii", "replace").strip()
        except FileNotFoundError:
            content = ""
        if not content.isdecimal() and content:
            raise ValueError(f"{self._path} must hold a whole number of seconds, not {content!r}.")
        with self._lock:
            self._offset = max(self._offset, int(content or 0))
            return self._offset
