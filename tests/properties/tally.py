"""Counts what was tried and what of it changed anything: a rule that never does proves nothing."""

from collections import Counter
from collections.abc import Iterable

OFTEN = 20
NO_ACT = "begins bare unpaid"


class Tally:
    """What all sequences of a run did, and which states they came through."""

    def __init__(self) -> None:
        self.sequences = 0
        self.tried: Counter[str] = Counter()
        self.took: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def note(self, what: Iterable[object], *, took: bool) -> None:
        """Something was tried; `took` says whether it left a trace anywhere."""
        name = " ".join(str(word) for word in what)
        self.tried[name] += 1
        self.took[name] += took

    def add(self, other: "Tally") -> None:
        """Count what another run did as well."""
        self.sequences += other.sequences
        self.tried += other.tried
        self.took += other.took
        self.seen += other.seen

    def idle(self) -> list[str]:
        """What was tried often, and never changed anything."""
        often = {name for name, many in self.tried.items() if many >= OFTEN and name != NO_ACT}
        return sorted(name for name in often if not self.took[name])

    def table(self) -> str:
        """What was tried how often, and how often it took effect; then the states."""
        rows = [
            f"  {name:<36}{self.took[name]:>6} of {many:>6}"
            for name, many in sorted(self.tried.items())
        ]
        seen = [f"  {name:<36}{many:>6}" for name, many in sorted(self.seen.items())]
        share = sum(self.took.values()) / max(1, sum(self.tried.values()))
        return "\n".join(
            [
                f"{self.sequences} sequences; acts, {share:.0%} of them with an effect",
                *rows,
                "sequences that came through",
                *seen,
            ]
        )
