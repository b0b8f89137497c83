"""What is sold: plans, their features, their prices, as frozen values parsed from a revision.

Standard library only: it must never know a database, a clock or Stripe.

# Note [Shares]
A feature may be open to a share of the subjects only, in buckets of 10,000. A subject's bucket
follows from its id and the feature's salt by SHA-256, so that nobody has to store or to draw it:
PostgreSQL, a car's maker and we come to the same. A subject has the feature if its bucket is below
the share: to raise the share adds subjects and takes it from none. Another salt deals the buckets
anew, so that the same subjects are not the first each time.
"""

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

STANDARD = "standard"
BUCKETS = 10_000
_TAX_INCLUDED = frozenset({"eur"})


class CatalogInvalid(ValueError):
    """The document contradicts itself; the message says where."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something a car can do with a plan.

    `requires` is a list of alternatives that must all be met: a subject has the feature if it has
    at least one trait of each group. `share` and `salt`: see Note [Shares].
    """

    code: str
    name: str
    requires: tuple[frozenset[str], ...] = ()
    share: int = BUCKETS
    salt: str = ""

    def fits(self, traits: frozenset[str]) -> bool:
        """Whether a subject with these traits can have the feature, be it in the share or not."""
        return all(group & traits for group in self.requires)

    @property
    def is_out(self) -> bool:
        """Whether no share holds it back."""
        return self.share >= BUCKETS

    def reaches(self, subject_id: UUID) -> bool:
        """Whether a subject is in the share that the feature is open to."""
        return self.is_out or bucket(self.salt, subject_id) < self.share


def bucket(salt: str, subject_id: UUID) -> int:
    """Which of the 10,000 buckets of this salt a subject falls into, for ever."""
    drawn = hashlib.sha256(salt.encode() + b":" + subject_id.bytes).digest()
    return int.from_bytes(drawn[:4], "big") % BUCKETS


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A set of features under one name; a higher rank wins over a lower one.

    It is equal to itself alone: what is remembered of it is looked up at every check.
    """

    code: str
    name: str
    rank: int
    features: tuple[Feature, ...]

    def features_for(self, traits: frozenset[str], subject_id: UUID) -> tuple[Feature, ...]:
        """The plan's features that a subject with these traits has, in the plan's order."""
        return tuple(
            each for each in self.features if each.fits(traits) and each.reaches(subject_id)
        )

    def codes_for(self, traits: frozenset[str], subject_id: UUID) -> tuple[str, ...]:
        """The codes of these features; only where a share is open does it matter who it is."""
        codes, opening = self._codes(traits)
        if not opening:
            return codes
        closed = {each.code for each in opening if not each.reaches(subject_id)}
        return tuple(code for code in codes if code not in closed) if closed else codes

    @functools.lru_cache(maxsize=4096)  # noqa: B019 -- bounded; there are few plans and few traits
    def _codes(self, traits: frozenset[str]) -> tuple[tuple[str, ...], tuple[Feature, ...]]:
        """The codes of what fits these traits, and those of the features that have a share."""
        fitting = [each for each in self.features if each.fits(traits)]
        opening = tuple(each for each in fitting if not each.is_out)
        return tuple(each.code for each in fitting), opening


@dataclass(frozen=True, slots=True)
class Price:
    """What a plan costs per interval; `unit_amount` in the currency's minor unit."""

    lookup_key: str
    plan: str
    currency: str
    unit_amount: int
    interval: str

    @property
    def tax_included(self) -> bool:
        """Whether the amount is all that is paid."""
        return tax_included(self.currency)


def tax_included(currency: str) -> bool:
    """Whether prices in this currency have the tax in them, as Europe's law asks for consumers.

    Elsewhere it is put on, since it differs from one place to the next.
    """
    return currency in _TAX_INCLUDED


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
    share, salt = entry.get("share", BUCKETS), entry.get("salt", entry["code"])
    if type(share) is not int or not 0 <= share <= BUCKETS or not isinstance(salt, str):
        raise CatalogInvalid(
            f"The share of {entry['code']!r} is to be a whole number from 0 to {BUCKETS}, "
            "its salt a text."
        )
    requires = tuple(frozenset(group) for group in entry.get("requires", ()))
    return Feature(entry["code"], entry["name"], requires, share, salt)


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
