"""What has to hold, whatever was done: at each step, when all is in step, and in the end.

See Note [Which way the car may lag] in tests/properties/__init__.py.
"""

import itertools
from collections import Counter
from datetime import datetime

from billing.models import Grant, Intent, StripeEvent
from tests.properties.acts import Acts
from tests.properties.ledger import Ledger
from tests.properties.promises import Purchase, counts_until, owed, paid_spans
from tests.properties.stage import told


class Checks:
    """Watches a sequence, from step to step."""

    def __init__(self, acts: Acts) -> None:
        self.acts = acts
        self.in_step = True
        self.audits = False  # A second comparison takes its time.
        self._until: dict[str, datetime] = {}  # the greatest since all was in step, by page
        self._versions = [0 for _ in acts.cars]
        self.seen: set[str] = set()  # what this sequence came through

    def look(self) -> None:
        """Remember how long each purchase counts now: that is what may have been heard of."""
        self.acts.hear_of_payments()
        book = self.acts.ledger
        for purchase in self.acts.purchases():
            until = counts_until(purchase, book.contracts.get(purchase.contract))
            if until is not None:
                before = self._until.get(purchase.page)
                self._until[purchase.page] = max(before, until) if before else until

    def step(self) -> None:
        """What holds after each step."""
        if self.in_step:
            self._until.clear()
        self.look()
        book = self.acts.ledger
        self._remember(book)
        for number, (premium, version) in enumerate(told(self.acts.cars)):
            self._verdict(number, book, premium=premium)
            self._version(number, version)
        self._one_live_contract_each(book)
        self._one_paid_grant_each()
        self._no_refund_beyond(book)
        self._never_paid_twice(book)

    def _remember(self, book: Ledger) -> None:
        bought = self.acts.purchases()
        for contract in (book.contracts[each.contract] for each in bought if each.contract):
            self.seen.add(f"contract {contract.status}")
            self.seen.update(f"bank {one.bank}" for one in contract.invoices if one.bank)
            many = sum(1 for one in contract.invoices if one.paid)
            self.seen.add(f"invoices paid {min(many, 3)}")
            if contract.ending:
                self.seen.add("ending")
        void = any(each.void and each.contract for each in bought)
        self.seen.update(["paid without a seat"] if void else [])
        self.seen.add("in step" if self.in_step else "out of step")

    def _version(self, number: int, version: int) -> None:
        if not self.acts.promised[number].retired:
            assert version >= self._versions[number], f"Car {number} was sent back to {version}."
            self._versions[number] = version

    def _verdict(self, number: int, book: Ledger, *, premium: bool) -> None:
        promised, now = self.acts.promised[number], self.acts.stage.now
        is_due = not promised.retired and (
            promised.given(now) or any(_counts(each, book, now) for each in promised.purchases)
        )
        heard = [
            until
            for each in promised.purchases
            if (until := self._until.get(each.page))
            and (not each.stopped or now < each.stopped)
            and not each.void
        ]
        may_be = is_due or (not promised.retired and any(now < until for until in heard))
        self.seen.add(f"told {'Premium' if premium else 'Standard'}")
        what = f"at {now:%Y-%m-%d %H:%M:%S} car {number} ({promised})"
        assert not premium or may_be, f"Premium without a promise: {what}\n{_why(promised, book)}"
        if self.in_step:
            assert premium == is_due, (
                f"Told {'Premium' if premium else 'Standard'}, and that is not what was promised: "
                f"{what}\n{_why(promised, book)}"
            )

    def _one_live_contract_each(self, book: Ledger) -> None:
        """Nobody could pay for a car while somebody paid for it already."""
        for promised in self.acts.promised:
            live = [
                each
                for each in promised.purchases
                if each.contract
                and book.contracts[each.contract].lives
                and not each.void
                and each.stopped is None
            ]
            assert len(live) <= 1, f"Two contracts are live for one car: {live}"

    def _one_paid_grant_each(self) -> None:
        now = self.acts.stage.now
        running = Grant.objects.filter(ends_at__gt=now, source="subscription")
        counted = Counter(running.values_list("subject_id", flat=True))
        assert all(many == 1 for many in counted.values()), "Two payments give one car Premium."

    def _no_refund_beyond(self, book: Ledger) -> None:
        for charge in book.charges:
            assert charge.refunded <= charge.amount, f"More went back than was paid: {charge}"

    def _never_paid_twice(self, book: Ledger) -> None:
        """No time of a contract is paid by two payments that were both kept."""
        for contract in book.contracts.values():
            spans = sorted(paid_spans(contract, at_least=1))
            for (_, end), (start, _) in itertools.pairwise(spans):
                assert end <= start, f"One time was paid twice: {contract}"

    def end(self) -> None:
        """What holds when all is healed and in step."""
        self.in_step = True
        self.step()
        waiting = Intent.objects.filter(answered_at=None)
        assert not waiting, f"Calls that nobody has answered: {list(waiting.values())}"
        unread = StripeEvent.objects.filter(state__in=["received", "parked"])
        assert not unread, f"Events that nobody has read: {list(unread.values())}"
        book = self.acts.ledger
        for purchase in self.acts.purchases():
            if purchase.contract:
                self._settled(purchase, book)
        if self.audits:
            found = self.acts.stage.findings()
            assert not found, f"A comparison still finds: {found}"

    def _settled(self, purchase: Purchase, book: Ledger) -> None:
        """Nobody pays on for what they do not have, and what was not used went back."""
        contract = book.contracts[purchase.contract]
        what = f"{purchase}\n{contract}"
        if purchase.void or purchase.stopped:
            assert not contract.lives, f"Somebody pays for a car that is not theirs: {what}"
            back = sum(each.refunded for each in contract.invoices)
            assert back >= owed(purchase, contract), f"Too little went back: {what}"
        if any(each.bank == "took" for each in contract.invoices):
            assert contract.ending or not contract.lives, f"It would be charged again: {what}"


def _counts(purchase: Purchase, book: Ledger, now: datetime) -> bool:
    until = counts_until(purchase, book.contracts.get(purchase.contract))
    return until is not None and now < until


def _why(promised: object, book: Ledger) -> str:
    return "\n".join(str(each) for each in book.contracts.values())
