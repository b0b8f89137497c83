"""Orders in which a network may bring what was sent: any order, and any of it more than once."""

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def reversed_order(items: Sequence[T]) -> list[T]:
    """The last one first."""
    return list(reversed(items))


def shuffled(seed: int) -> "Shuffle":
    """Any order, the same for the same seed."""
    return Shuffle(seed)


class Shuffle:
    """An order by chance that can be had again."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, items: Sequence[T]) -> list[T]:
        """Put the items in this order."""
        return random.Random(self._seed).sample(items, len(items))


def permutations(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Each order, once."""
    return itertools.permutations(items)


def with_one_twice(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """Each order of the items and of one of them once more, without the same order twice."""
    seen = set()
    for again in range(len(items)):
        for order in itertools.permutations([*range(len(items)), again]):
            if order not in seen:
                seen.add(order)
                yield tuple(items[index] for index in order)
