"""Turns numbers into shapes: a bar of parts, a share over time; it must never know colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

WIDTH, HEIGHT = 1_000, 100
THINNEST = 4  # A single car in a million is still to be seen.


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar."""

    name: str
    count: int
    percent: str
    x: float = 0.0
    width: float = 0.0

    @property
    def cars(self) -> str:
        """The count as people read it."""
        return f"{self.count:,}"


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, where on the picture, and the share from then on."""

    kind: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Stairs:
    """A share over time: the line, what lies under it, and what happened."""

    line: str
    area: str
    marks: tuple[Mark, ...]


def bar(parts: Sequence[tuple[str, int]]) -> list[Part]:
    """The parts side by side; those that there are at all can be seen."""
    total = sum(count for _, count in parts)
    if not total:
        return [Part(name, 0, "0 %") for name, _ in parts]
    wide = [max(THINNEST, WIDTH * count / total) if count else 0.0 for _, count in parts]
    scale, x, found = WIDTH / sum(wide), 0.0, []
    for (name, count), width in zip(parts, wide, strict=True):
        found.append(Part(name, count, percent(count, total), round(x, 2), round(width * scale, 2)))
        x += width * scale
    return found


def percent(count: int, total: int) -> str:
    """A part in words; neither 0 % where there are some nor 100 % where some lack."""
    if not total or count in (0, total):
        return "100 %" if total and count else "0 %"
    return f"{min(99.9, max(0.1, 100 * count / total)):.1f} %"


def stairs(steps: Sequence[tuple[datetime, str, float]], *, now: datetime) -> Stairs:
    """The picture of steps (when, what, the share from then on: 0 to 1), up to now."""
    began = steps[0][0]
    span = max((now - began).total_seconds(), 1.0)
    marks = tuple(
        Mark(kind, round(WIDTH * (at - began).total_seconds() / span, 1), HEIGHT * (1 - share))
        for at, kind, share in steps
    )
    points: list[tuple[float, float]] = [(0.0, float(HEIGHT))]
    for mark in marks:
        points += [(mark.x, points[-1][1]), (mark.x, mark.y)]
    points.append((float(WIDTH), points[-1][1]))
    line = " ".join(f"{x:g},{y:g}" for x, y in points)
    return Stairs(line, f"{line} {WIDTH},{HEIGHT}", marks)
