"""How often cars are told to ask: as the settings say, unless staff have set another pace.

Staff slow cars down, or all but stop them, in one market or in all, when a site is to be spared. It
changes only the header that says when to come back, never what a car is told about itself.
"""

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from fleet.models import DomainEvent, Pace

ALL = "*"
FASTEST = 1  # seconds
STOP = 6 * 3600  # seconds: rare enough to count as nothing, and it can still be taken back
SPREAD = 0.1  # of an interval, either way, so that a fleet does not fall into step
_STEPS = 256
_MARKET = "market:"


class WrongPace(ValueError):
    """No car can be told this."""


def current() -> tuple[int, dict[str, int]]:
    """The revision that is in force and its seconds by market; 0 while nobody has set any."""
    row = Pace.objects.order_by("-revision").first()
    return (row.revision, dict(row.seconds)) if row else (0, {})


def change(
    *, market: str, seconds: int | None, reason: str, actor: Any, now: datetime
) -> dict[str, int]:
    """Set the pace of a market (`*`: of all that have none of their own); None ends it.

    Return what is in force then, by market. Raises WrongPace.
    """
    if seconds is not None and not FASTEST <= seconds <= STOP:
        raise WrongPace(f"Give {FASTEST} to {STOP} seconds.")
    with transaction.atomic(durable=True):
        revision, rules = _held()
        rules.pop(market, None)
        if seconds is not None:
            rules[market] = seconds
        Pace.objects.create(
            revision=revision + 1, seconds=rules, at=now, reason=reason, actor=actor
        )
        DomainEvent.objects.create(
            kind="pace_changed",
            at=now,
            actor=actor,
            data={"market": market, "seconds": seconds, "reason": reason},
        )
    return rules


def renumber(*, by: int, now: datetime) -> None:
    """Set the same pace anew, under a number that is higher by so much."""
    with transaction.atomic():
        revision, rules = _held()
        Pace.objects.create(revision=revision + by, seconds=rules, at=now, reason="A new era")


def _held() -> tuple[int, dict[str, int]]:
    """What is in force, to which nobody else adds until the transaction ends.

    All wait for the oldest row, which is the same for all: who waited for the newest would go on
    from it, though it is no longer the newest.
    """
    Pace.objects.select_for_update(no_key=True).order_by("revision").first()
    return current()


def seconds_for(rules: Mapping[str, Any], traits: frozenset[str]) -> int:
    """In how many seconds a car with these traits is to ask again, before any spreading."""
    market = next((each[len(_MARKET) :] for each in traits if each.startswith(_MARKET)), "")
    told = rules.get(market, rules.get(ALL))
    return told if isinstance(told, int) and FASTEST <= told <= STOP else settings.POLL_SECONDS


def spread(seconds: int) -> int:
    """Return about so many seconds, another number for each car."""
    return max(1, round(seconds * random.uniform(1 - SPREAD, 1 + SPREAD)))  # noqa: S311 -- jitter


def ring(seconds: int) -> list[int]:
    """About so many seconds in many ways, in no order: to be told one after the other."""
    return [spread(seconds) for _ in range(_STEPS)]
