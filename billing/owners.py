"""Asks whoever knows what a subject is whether its payer may still have to do with it.

Billing has never heard of a car; whoever has, answers with a function.
"""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

Pair = tuple[UUID, Any]  # a subject, and the id of who pays for it
UNKNOWN, NOT_THEIRS = "unknown_subject", "not_the_owner"
_answer: Callable[[Iterable[Pair]], dict[Pair, str]] | None = None


def answer_with(function: Callable[[Iterable[Pair]], dict[Pair, str]]) -> None:
    """Have `function` say what is wrong with which pairs: UNKNOWN or NOT_THEIRS."""
    global _answer
    _answer = function


def wrong(pairs: Iterable[Pair]) -> dict[Pair, str]:
    """The pairs that should not be, and why; none if nobody knows what a subject is."""
    return _answer(pairs) if _answer else {}
