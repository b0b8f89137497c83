"""What was promised to whom: docs/policy.md told a second time, as plainly as it can be.

It imports nothing of the product, so that one mistake is not made twice. It knows what people did,
and reads what was paid from Stripe's own objects (ledger.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

GRACE = timedelta(days=7)
RENEWS = ("trialing", "active", "past_due")
OVER = ("canceled", "incomplete_expired")
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Line:
    """What an invoice charges for a time, or gives back of it (a negative amount)."""

    amount: int
    starts: datetime
    ends: datetime


@dataclass(frozen=True)
class Invoice:
    """What became of an invoice; `bank` says that a bank holds the money back, or took it."""

    id: str
    made: datetime
    paid: bool
    waits: bool  # to be paid
    money: int
    refunded: int
    bank: str  # "", "holds", "took"
    lines: Sequence[Line]


@dataclass(frozen=True)
class Contract:
    """A subscription at Stripe, as it is there."""

    id: str
    status: str
    trial_end: datetime | None
    ending: bool
    ended: datetime | None
    invoices: Sequence[Invoice]
    waiting: Sequence[Line] = ()  # for the next invoice: what a pause has credited

    @property
    def lives(self) -> bool:
        """Whether it could ever charge again."""
        return self.status not in OVER


@dataclass
class Purchase:
    """Somebody went to a payment page for a car; later perhaps there is a contract."""

    person: str
    car: int
    page: str
    at: datetime
    contract: str = ""
    void: bool = False  # paid when the car was no longer theirs: it never counts
    stopped: datetime | None = None  # withdrawn, sold, retired or cancelled by staff
    back: str = ""  # what goes back then: none, unused, full

    def stop(self, at: datetime, back: str) -> None:
        """It counts no longer; what was decided first stays."""
        if self.stopped is None:
            self.stopped, self.back = at, back


@dataclass
class Promised:
    """A car: whose it is, what it was given, what was paid for it."""

    owner: str | None
    gifts: list[Span] = field(default_factory=list)
    retired: bool = False
    purchases: list[Purchase] = field(default_factory=list)

    def leaves(self, at: datetime, contracts: Mapping[str, Contract]) -> None:
        """Its owner has it no longer: nothing that they pay for it counts, and the rest goes back.

        What has ended before was ended by somebody who decided what goes back. A page that stands
        open may still be paid: that never counts.
        """
        self.owner = None
        for purchase in self.purchases:
            if not purchase.contract:
                purchase.void = True
            elif contracts[purchase.contract].lives:
                purchase.stop(at, "unused")

    def ends_gifts(self, at: datetime) -> None:
        """What it was given ends now."""
        self.gifts = [(start, min(end, at)) for start, end in self.gifts if start < at]

    def given(self, at: datetime) -> bool:
        """Whether something that was given covers this instant."""
        return any(start <= at < end for start, end in self.gifts)


def paid_spans(contract: Contract, *, at_least: int = 0) -> list[Span]:
    """The times that are paid, in the order in which they were billed; a trial for nothing too.

    A bank that took the money took the time; a credit gave back what it names, whether it stands on
    a paid invoice or waits for one, or on the one that has to be paid before a pause is over.
    """
    spans: list[Span] = []
    for invoice in sorted(contract.invoices, key=lambda each: each.made):
        free = not any(line.amount for line in invoice.lines)
        if not invoice.paid or invoice.bank == "took":
            continue
        if free and any(_falls_with(contract, line.ends) for line in invoice.lines):
            continue
        spans = _without_credits(spans, invoice.lines)
        spans += [(line.starts, line.ends) for line in invoice.lines if line.amount >= at_least]
    if contract.status == "paused":
        for invoice in contract.invoices:
            spans = _without_credits(spans, invoice.lines if invoice.waits else [])
    return _without_credits(spans, contract.waiting)


def _falls_with(contract: Contract, end: datetime) -> bool:
    """Whether free time until then was added to a payment that a bank took."""
    before = [
        (line.starts, each.made, each.bank)
        for each in contract.invoices
        for line in each.lines
        if each.paid and line.amount > 0 and line.starts < end
    ]
    return bool(before) and max(before)[2] == "took"


def _without_credits(spans: list[Span], lines: Sequence[Line]) -> list[Span]:
    for line in lines:
        if line.amount < 0:
            spans = [piece for span in spans for piece in _cut(span, line)]
    return spans


def _cut(span: Span, line: Line) -> Iterator[Span]:
    pieces = ((span[0], min(span[1], line.starts)), (max(span[0], line.ends), span[1]))
    return (piece for piece in pieces if piece[0] < piece[1])


def lasts_until(contract: Contract) -> datetime | None:
    """Until when a contract that counts gives Premium; None if it gives none."""
    ends = [end for _, end in paid_spans(contract)]
    if contract.trial_end is not None and not _falls_with(contract, contract.trial_end):
        ends.append(contract.trial_end)
    if not ends:
        return None
    paid = max(ends)
    if contract.status in OVER:
        return min(paid, contract.ended or paid)
    disputed = any(invoice.bank for invoice in contract.invoices)
    if contract.status in RENEWS and not contract.ending and not disputed:
        return paid + GRACE
    return paid


def counts_until(purchase: Purchase, contract: Contract | None) -> datetime | None:
    """Until when a purchase gives its car Premium, as things stand."""
    if purchase.void or contract is None:
        return None
    until = lasts_until(contract)
    if until is None or purchase.stopped is None:
        return until
    return min(until, purchase.stopped)


def owed(purchase: Purchase, contract: Contract) -> int:
    """The least that has to have gone back to the card of whom this was ended, in all.

    What a bank holds or took cannot be given back. A cent for each line may be lost in rounding.
    """
    paid = [each for each in contract.invoices if each.paid and each.money]
    mine = [each for each in paid if not each.bank]
    if purchase.void:
        return sum(each.money for each in mine)
    if purchase.back == "full":
        last = max(paid, key=lambda each: each.made, default=None)
        return last.money if last and not last.bank else 0
    if purchase.back != "unused" or purchase.stopped is None:
        return 0
    if any(each.bank for each in contract.invoices):
        return 0  # What was credited from one payment to another is not to be told apart.
    spans = paid_spans(contract, at_least=1)
    lines = [line for each in mine for line in each.lines if line.amount > 0]
    kept = [line for line in lines if (line.starts, line.ends) in spans]
    unused = sum(_share(line, purchase.stopped) - 1 for line in kept)
    return max(0, min(unused, sum(each.money for each in mine)))


def _share(line: Line, at: datetime) -> int:
    length = (line.ends - line.starts).total_seconds()
    left = min(max((line.ends - at).total_seconds(), 0), length)
    return int(line.amount * left / length) if length else 0
