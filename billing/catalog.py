"""What is sold: plans, their features, their prices, as frozen values parsed from a revision.

Standard library only: it must never know a database, a clock or Stripe.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

STANDARD = "standard"


class CatalogInvalid(ValueError):
    """The document contradicts itself; the message says where."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something a car can do with a plan.

    `requires` is a list of alternatives that must all be met: a subject has the feature if it has
    at least one trait of each group.
    """

    code: str
    name: str
    requires: tuple[frozenset[str], ...] = ()

    def fits(self, traits: frozenset[str]) -> bool:
        """Whether a subject with these traits can have the feature."""
        return all(group & traits for group in self.requires)


@dataclass(frozen=True, slots=True)
class Plan:
    """A set of features under one name; a higher rank wins over a lower one."""

    code: str
    name: str
    rank: int
    features: tuple[Feature, ...]

    def __hash__(self) -> int:
        """Small: what is remembered of a plan is looked up at every check."""
        return hash((self.code, self.rank))

    def features_for(self, traits: frozenset[str]) -> tuple[Feature, ...]:
        """The plan's features that a subject with these traits can have, in the plan's order."""
        return tuple(feature for feature in self.features if feature.fits(traits))

    @functools.lru_cache(maxsize=4096)  # noqa: B019 -- bounded; there are few plans and few traits
    def codes_for(self, traits: frozenset[str]) -> tuple[str, ...]:
        """The codes of these features."""
        return tuple(feature.code for feature in self.features_for(traits))


@dataclass(frozen=True, slots=True)
class Price:
    """What a plan costs per interval; `unit_amount` in the currency's minor unit."""

    lookup_key: str
    plan: str
    currency: str
    unit_amount: int
    interval: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """One published revision."""

    revision: int
    plans: Mapping[str, Plan]
    prices: Mapping[str, Price]

    def plan(self, code: str) -> Plan | None:
        """The plan by its code; None for Standard and for a plan that is no longer published."""
        return self.plans.get(code)


def parse(document: Mapping[str, Any], *, revision: int) -> Catalog:
    """Return the catalogue that `document` describes, or raise CatalogInvalid."""
    try:
        features = {entry["code"]: _feature(entry) for entry in document["features"]}
        plans = [_plan(rank, entry, features) for rank, entry in enumerate(document["plans"], 1)]
        prices = [_price(entry) for entry in document["prices"]]
    except (KeyError, TypeError) as error:
        raise CatalogInvalid(f"The catalogue lacks or misnames {error}.") from error
    unknown = {price.plan for price in prices} - {plan.code for plan in plans}
    if unknown:
        raise CatalogInvalid(f"There is a price for a plan that is not sold: {sorted(unknown)}.")
    return Catalog(
        revision=revision,
        plans=_by(plans, "code"),
        prices=_by(prices, "lookup_key"),
    )


def _by(values: Iterable[Any], key: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for value in values:
        name = getattr(value, key)
        if name in found:
            raise CatalogInvalid(f"{name!r} is there twice.")
        found[name] = value
    return MappingProxyType(found)


def _feature(entry: Mapping[str, Any]) -> Feature:
    requires = tuple(frozenset(group) for group in entry.get("requires", ()))
    return Feature(code=entry["code"], name=entry["name"], requires=requires)


def _plan(rank: int, entry: Mapping[str, Any], features: Mapping[str, Feature]) -> Plan:
    return Plan(
        code=entry["code"],
        name=entry["name"],
        rank=rank,
        features=tuple(features[code] for code in entry["features"]),
    )


def _price(entry: Mapping[str, Any]) -> Price:
    return Price(
        lookup_key=entry["lookup_key"],
        plan=entry["plan"],
        currency=entry["currency"],
        unit_amount=int(entry["unit_amount"]),
        interval=entry["interval"],
    )
