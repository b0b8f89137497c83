"""Holds one car's memory while it drives and puts it on disk when told; it must never know why
something is remembered.
"""

import dataclasses
from typing import Any

from sandbox.car.storage import Memory, Storage


class Notebook:
    """One car's memory, open for writing."""

    def __init__(self, storage: Storage, vin: str) -> None:
        self._storage = storage
        self.vin = vin
        self.memory: Memory = storage.memory(vin)

    def note(self, **changes: Any) -> None:
        """Remembers these members of the memory; for good from the next `save` on."""
        self.memory = dataclasses.replace(self.memory, **changes)

    def save(self) -> None:
        """Puts the memory on disk."""
        self._storage.save(self.vin, self.memory)
