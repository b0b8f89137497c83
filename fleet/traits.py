"""Gives each set of traits a small number, by which snapshots name it.

The numbers are rows, given at first use and never changed. A process remembers those it has met;
the writer of a snapshot also leaves the words at the site (see fleet.snapshots), so that an edge
can read it while PostgreSQL is away.
"""

import functools
import json
from collections.abc import Iterable, Mapping

from fleet.models import TraitSet

_numbers: dict[frozenset[str], int] = {}
# What the numbers mean, as far as this process has met them.
known: dict[int, frozenset[str]] = {}


def number(traits: frozenset[str]) -> int:
    """Return the set's number, giving it one if nobody has; asks PostgreSQL at first sight only."""
    if traits not in _numbers:
        words = write(traits)
        row = TraitSet.objects.filter(words=words).first()
        if row is None:
            # Looked for first: a conflict would use up a number each time.
            TraitSet.objects.bulk_create([TraitSet(words=words)], ignore_conflicts=True)
            row = TraitSet.objects.get(words=words)
        learn({row.number: words})
        _numbers[traits] = row.number
    return _numbers[traits]


def find(numbers: Iterable[int]) -> None:
    """Learn from the rows what these numbers mean; those that mean nothing stay unknown."""
    learn(dict(TraitSet.objects.filter(number__in=list(numbers)).values_list("number", "words")))


def learn(words: Mapping[int, str | bytes]) -> None:
    """Remember what these numbers mean; words that nobody can read teach nothing."""
    for each, text in words.items():
        try:
            known[each] = frozenset(map(str, json.loads(text)))
        except (ValueError, TypeError, RecursionError):
            continue


@functools.lru_cache(maxsize=4096)
def write(traits: frozenset[str]) -> str:
    """The set in words; one set has one spelling."""
    return json.dumps(sorted(traits), separators=(",", ":"))
