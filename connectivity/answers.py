"""Counts what this process has answered cars since its start; must never know to what."""

from collections import Counter

given: Counter[int] = Counter()  # by status
