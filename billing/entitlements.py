"""The rule: from the facts of a subject to what it may do now.

Pure and total: standard library only, no clock, no input or output. It must never know who asks.
Instants are Unix seconds, as whole numbers; intervals are half-open.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.catalog import STANDARD, Catalog

FOREVER = 2**63


@dataclass(frozen=True, slots=True)
class Grant:
    """A fact: the plan was granted in [starts_at, ends_at); None is open."""

    plan: str
    starts_at: int
    ends_at: int | None
    source: str

    def covers(self, instant: int) -> bool:
        """Whether the instant lies in the interval."""
        return self.starts_at <= instant and (self.ends_at is None or instant < self.ends_at)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """A verdict at an instant; `next_change_at` is when time alone may change it, or None."""

    plan: str
    features: tuple[str, ...]
    reason: str
    next_change_at: int | None


def resolve(
    grants: Sequence[Grant], catalog: Catalog, traits: frozenset[str], now: int
) -> Entitlement:
    """Return what a subject with these grants and traits is entitled to at `now`.

    The plan is the highest that any grant gives; the features are those of all that is granted, so
    that nothing which came with the car is lost by buying more. The reason is the source of the
    grant that carries the plan the longest.
    """
    plan, features, reason = _verdict(grants, catalog, traits, now)
    return Entitlement(plan, features, reason, _next_change(grants, catalog, traits, now))


def _verdict(
    grants: Sequence[Grant], catalog: Catalog, traits: frozenset[str], instant: int
) -> tuple[str, tuple[str, ...], str]:
    best: tuple[int, int, str] | None = None
    name, features = STANDARD, set[str]()
    for grant in grants:
        plan = catalog.plan(grant.plan)
        if plan is None or not grant.covers(instant):
            continue
        features.update(feature.code for feature in plan.features_for(traits))
        until = FOREVER if grant.ends_at is None else grant.ends_at
        if best is None or (plan.rank, until, grant.source) > best:
            best, name = (plan.rank, until, grant.source), plan.code
    return name, tuple(sorted(features)), best[2] if best else "none"


def _next_change(
    grants: Sequence[Grant], catalog: Catalog, traits: frozenset[str], now: int
) -> int | None:
    current = _verdict(grants, catalog, traits, now)
    for instant in sorted(_boundaries(grants, after=now)):
        if _verdict(grants, catalog, traits, instant) != current:
            return instant
    return None


def _boundaries(grants: Sequence[Grant], *, after: int) -> set[int]:
    ends = {grant.ends_at for grant in grants if grant.ends_at is not None}
    return {instant for instant in ends | {grant.starts_at for grant in grants} if instant > after}
