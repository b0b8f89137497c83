"""The rule: from the facts of a subject to what it may do now.

Pure and total: standard library only, no clock, no input or output. It must never know who asks.
Who it is about matters to shares alone: see Note [Shares] in billing.catalog.
Instants are Unix seconds, as whole numbers; intervals are half-open.
"""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from billing.catalog import STANDARD, Catalog, Plan

FOREVER = 2**63


class Grant(NamedTuple):
    """A fact: the plan was granted in [starts_at, ends_at); None is open."""

    plan: str
    starts_at: int
    ends_at: int | None
    source: str

    def covers(self, instant: int) -> bool:
        """Whether the instant lies in the interval."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


class Entitlement(NamedTuple):
    """A verdict at an instant; `next_change_at` is when time alone may change it, or None."""

    plan: str
    features: tuple[str, ...]
    reason: str
    next_change_at: int | None


def resolve(
    grants: Sequence[Grant],
    catalog: Catalog,
    traits: frozenset[str],
    subject_id: UUID,
    now: int,
) -> Entitlement:
    """Return what this subject with these grants and traits is entitled to at `now`.

    The plan is the highest that any grant gives; the features are those of all that is granted, so
    that nothing which came with the car is lost by buying more. The reason is the source of the
    grant that carries the plan the longest.
    """
    carried = [
        (plan, plan.codes_for(traits, subject_id), grant)
        for grant in grants
        if (grant.ends_at is None or now < grant.ends_at)
        and (plan := catalog.plan(grant.plan)) is not None
    ]
    if len(carried) == 1 and carried[0][2].starts_at <= now:  # As with most: until it ends.
        [(plan, its, grant)] = carried
        return Entitlement(plan.code, tuple(sorted(its)), grant.source, grant.ends_at)
    current = _verdict(carried, now)
    name, codes, reason = current
    for at in sorted(_boundaries([grant for _, _, grant in carried], now)):
        if _verdict(carried, at) != current:
            return Entitlement(name, tuple(sorted(codes)), reason, at)
    return Entitlement(name, tuple(sorted(codes)), reason, None)


def _verdict(
    carried: Sequence[tuple[Plan, tuple[str, ...], Grant]], instant: int
) -> tuple[str, frozenset[str], str]:
    best: tuple[int, int, str] | None = None
    name, codes = STANDARD, frozenset[str]()
    for plan, each, grant in carried:
        until = FOREVER if grant.ends_at is None else grant.ends_at
        if not grant.starts_at <= instant < until:
            continue
        codes = codes.union(each)
        if best is None or (plan.rank, until, grant.source) > best:
            best, name = (plan.rank, until, grant.source), plan.code
    return name, codes, best[2] if best else "none"


def _boundaries(grants: Sequence[Grant], after: int) -> set[int]:
    ends = [ends_at for _, _, ends_at, _ in grants if ends_at is not None and ends_at > after]
    return {starts_at for _, starts_at, _, _ in grants if starts_at > after}.union(ends)
