"""What a state of a page is: how its rows are made up, and where it is then to be seen.

It must never know which states there are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import slugify


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a state is to be seen: an address, as who, and what they send.

    `answer` stands in for the address where somebody outside would have to be asked first: it is
    the view's own rest, given what was made up.
    """

    path: str
    signed_in: bool = True
    data: dict[str, str] | None = None
    session: dict[str, Any] = field(default_factory=dict)
    answer: Callable[[HttpRequest], HttpResponse] | None = None


Build = Callable[[Any, datetime], Shown]


@dataclass(frozen=True, slots=True)
class State:
    """A state by its name; `build` makes up its rows for an owner and says where it is seen."""

    group: str
    title: str
    build: Build

    @property
    def name(self) -> str:
        """Its name in an address."""
        return slugify(f"{self.group} {self.title}")


class Group:
    """States that belong together, in the order of their making."""

    def __init__(self, title: str) -> None:
        """Begin with none."""
        self.title = title
        self._states: list[State] = []

    def __iter__(self) -> Iterator[State]:
        """Each of them."""
        return iter(self._states)

    def add(self, title: str, build: Build) -> None:
        """Add one."""
        self._states.append(State(self.title, title, build))

    def state(self, title: str) -> Callable[[Build], Build]:
        """Add the decorated function as one."""

        def added(build: Build) -> Build:
            self.add(title, build)
            return build

        return added


def at(name: str, *args: Any, query: str = "", **more: Any) -> Shown:
    """Show the page of this name."""
    return Shown(reverse(name, args=args) + query, **more)


def of_car(vehicle_id: UUID, query: str = "") -> Shown:
    """Show the page of a car."""
    return at("garage:car", vehicle_id, query=query)
