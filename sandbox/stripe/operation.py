"""What one operation of Stripe's API is: its address, what it accepts, and what it does."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.stripe.params import Parser, list_of, text
from sandbox.stripe.store import Body, Transaction

Given = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Operation:
    """One method at one address, written as Stripe documents it: `/v1/customers/{id}`."""

    method: str
    path: str
    run: Callable[[Transaction, Given, str], Body]
    accepts: Mapping[str, Parser] = dataclasses.field(default_factory=dict)
    required: tuple[str, ...] = ()
    expands: bool = True

    @property
    def fields(self) -> Mapping[str, Parser]:
        """Every parameter, with the one that all operations share."""
        shared = {"expand": list_of(text())} if self.expands else {}
        return {**self.accepts, **shared}

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the address; the group is the id."""
        return re.compile(self.path.replace("{id}", "([^/]+)"))
