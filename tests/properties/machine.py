"""The rules by which Hypothesis puts sequences together, at most fifteen steps each."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import fleet.tasks
from tests.journeys.journey import MONTHLY, YEARLY
from tests.journeys.people import ASKS, ASKS_EACH_TIME, DECLINED, FAILS_LATER, GOOD
from tests.properties.acts import NAMES, Acts
from tests.properties.checks import Checks
from tests.properties.promises import GRACE, RENEWS, Contract, Purchase
from tests.properties.stage import Stage

CARS = st.integers(0, 1)
ANY = st.integers(0, 5)
PRICES = st.sampled_from([MONTHLY, YEARLY])
CARDS = st.sampled_from([GOOD, GOOD, FAILS_LATER, ASKS, ASKS_EACH_TIME, DECLINED])
FAULTS = ("drop_after", "drop", "error_after", "error", "outage", "rate_limit")
SOME = ("invoice.paid", "customer.subscription.updated", "customer.subscription.deleted")
SPANS = (
    timedelta(minutes=2),
    timedelta(minutes=90),
    timedelta(days=1),
    timedelta(days=6),
    timedelta(days=15),
    timedelta(days=32),
    timedelta(days=75),
)


class Machine(RuleBasedStateMachine):
    """Owners, staff, Stripe, the clock and the network, in any order."""

    stage: ClassVar[Stage]
    people: ClassVar[dict[str, Any]]
    sequences: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).sequences += 1
        self.stage.clear()
        self.acts = Acts(self.stage, self.people)
        self.checks = Checks(self.acts)
        fleet.tasks.sweep()

    def _after(self) -> None:
        """Time stands still for a moment, and what is due happens."""
        self.checks.look()
        self.stage.settle()

    def _pick(self, which: int, *statuses: str) -> tuple[Purchase, Contract] | None:
        found = self.acts.contracts(*statuses)
        return found[-1 - which % len(found)] if found else None

    def _has_contract(self) -> bool:
        return any(each.contract for each in self.acts.purchases())

    def _has_page(self) -> bool:
        return any(not each.contract for each in self.acts.purchases())

    # Where it begins.

    @initialize(
        after=st.sampled_from(["cancel", "unpaid", "past_due", "pause"]),
        how=st.sampled_from(["at", "flag"]),
        gift=st.sampled_from(["", "", "trial", "factory"]),
        paid=st.booleans(),
        price=PRICES,
        card=st.sampled_from([GOOD, GOOD, FAILS_LATER]),
        audits=st.sampled_from([False, False, False, True]),
    )
    def begins(
        self, after: str, how: str, gift: str, paid: bool, price: str, card: str, audits: bool
    ) -> None:
        """How Stripe is set, what the first car came with, and whether it is subscribed."""
        settings = {"after_retries": after, "portal_cancel": how}
        self.stage.dashboard("POST", "/sandbox/stripe/settings", **settings)
        self.checks.audits = audits
        if gift:
            self.acts.comes_with(0, gift, 30)
        if paid:
            self.acts.opens(0, price)
            self.acts.pays(self.acts.purchases()[-1], GOOD)
            if card != GOOD:  # One that fails when it is charged cannot pay at the page.
                [[_, contract]] = self.acts.contracts()
                self.acts.takes_card(self.acts.ledger.customers[contract.id], card)
        self._after()

    # Owners.

    @rule(car=CARS, price=PRICES)
    def opens(self, car: int, price: str) -> None:
        """Somebody goes to a payment page."""
        self.acts.opens(car, price)
        self._after()

    @precondition(_has_page)
    @rule(which=ANY, card=CARDS, confirms=st.sampled_from([True, True, False]))
    def pays(self, which: int, card: str, confirms: bool) -> None:
        """Somebody fills in a card, on a new page or on an old one."""
        pages = [each for each in self.acts.purchases() if not each.contract]
        self.acts.pays(pages[-1 - which % len(pages)], card, confirms=confirms)
        self._after()

    @precondition(_has_contract)
    @rule(car=CARS, what=st.sampled_from(["stops", "stops", "keeps", "switches", "withdraws"]))
    def changes(self, car: int, what: str) -> None:
        """An owner changes what they pay for."""
        getattr(self.acts, what)(car)
        self._after()

    @rule(car=CARS, to=st.sampled_from(["", *NAMES]))
    def sells(self, car: int, to: str) -> None:
        """An owner gives a car away; a buyer may have it at once."""
        self.acts.releases(car)
        if to:
            self.acts.adds(car, to)
        self._after()

    # Staff.

    @precondition(_has_contract)
    @rule(which=ANY, back=st.sampled_from(["none", "unused", "full"]))
    def staff_cancel(self, which: int, back: str) -> None:
        """Staff end a contract now."""
        if found := self._pick(which):
            self.acts.is_cancelled(found[0], back)
        self._after()

    @precondition(_has_contract)
    @rule(which=ANY, cents=st.sampled_from([1, 300, 1000]))
    def staff_refund(self, which: int, cents: int) -> None:
        """Staff give money back."""
        if found := self._pick(which):
            self.acts.is_refunded(found[0], cents)
        self._after()

    @precondition(_has_contract)
    @rule(which=ANY, days=st.sampled_from([1, 10, 60]))
    def staff_extend(self, which: int, days: int) -> None:
        """Staff make paid time longer."""
        if found := self._pick(which):
            self.acts.is_extended(found[0], days)
        self._after()

    @rule(car=CARS, what=st.sampled_from(["now", "afterwards", "end", "retire"]))
    def staff_give(self, car: int, what: str) -> None:
        """Staff give a car something, or take it back, or take the car out of service."""
        if what == "retire":
            self.acts.is_retired(car)
        elif what == "end":
            self.acts.loses_gifts(car)
        else:
            self.acts.is_given(car, 10, afterwards=what == "afterwards")
        self._after()

    # Stripe.

    @precondition(_has_contract)
    @rule(
        which=ANY, what=st.sampled_from(["at", "flag", "keep", "now", "pause", "credit", "resume"])
    )
    def at_stripe(self, which: int, what: str) -> None:
        """Somebody ends, keeps, pauses or resumes it in the portal, or in the dashboard."""
        does: dict[str, Callable[[Contract], None]] = {
            "at": lambda it: self.acts.changes_at_stripe(it, cancel_at="max_period_end"),
            "flag": lambda it: self.acts.changes_at_stripe(it, cancel_at_period_end="true"),
            "keep": lambda it: self.acts.changes_at_stripe(it, cancel_at=""),
            "now": self.acts.ends_at_stripe,
            "pause": lambda it: self.acts.pauses_at_stripe(it, credited=False),
            "credit": lambda it: self.acts.pauses_at_stripe(it, credited=True),
            "resume": self.acts.resumes_at_stripe,
        }
        if found := self._pick(which, *(["paused"] if what == "resume" else [])):
            does[what](found[1])
        self._after()

    @precondition(_has_contract)
    @rule(which=ANY, what=st.sampled_from(["opens", "opens", "won", "lost", "lost"]))
    def bank(self, which: int, what: str) -> None:
        """A bank takes a payment back, or decides."""
        book = self.acts.ledger
        if what == "opens" and book.charges:
            self.acts.disputes(book.charges[which % len(book.charges)].id)
        waiting = [name for name, status in book.disputes.items() if status == "needs_response"]
        if what != "opens" and waiting:
            self.acts.closes_dispute(waiting[0], what)
        self._after()

    @precondition(_has_contract)
    @rule(which=ANY, cents=st.sampled_from([1, 500]))
    def refund_at_stripe(self, which: int, cents: int) -> None:
        """The dashboard gives money back."""
        charges = self.acts.ledger.charges
        if charges:
            self.acts.refunds_at_stripe(charges[which % len(charges)].id, cents)
        self._after()

    @precondition(_has_contract)
    @rule(which=ANY, card=st.sampled_from([GOOD, GOOD, FAILS_LATER, DECLINED]))
    def new_card(self, which: int, card: str) -> None:
        """Somebody gives another card in the portal."""
        if found := self._pick(which):
            self.acts.takes_card(self.acts.ledger.customers[found[1].id], card)
        self._after()

    @precondition(_has_contract)
    @rule(which=ANY)
    def customer_goes(self, which: int) -> None:
        """The dashboard deletes a customer."""
        if found := self._pick(which):
            self.acts.deletes_customer(self.acts.ledger.customers[found[1].id])
        self._after()

    # The clock.

    @rule(by=st.sampled_from(SPANS))
    def waits(self, by: timedelta) -> None:
        """Time passes."""
        self.stage.go_to(self.stage.now + by, self.checks.look)

    @precondition(_has_contract)
    @rule(which=ANY, off=st.sampled_from([-1, 0, 0, 1800]), grace=st.booleans())
    def waits_for_boundary(self, which: int, off: int, grace: bool) -> None:
        """Time passes until something ends: a second before, just then, or before the charge."""
        if found := self._pick(which, *RENEWS, "paused", "unpaid"):
            lines = [line for each in found[1].invoices for line in each.lines]
            until = max((line.ends for line in lines), default=self.stage.now)
            until += GRACE * grace + timedelta(seconds=off)
            if self.stage.now < until:
                self.stage.go_to(until, self.checks.look)

    # The network.

    @rule(kind=st.sampled_from(FAULTS), times=st.integers(1, 4), posts=st.booleans())
    def line_fails(self, kind: str, times: int, posts: bool) -> None:
        """The next calls to Stripe do not get through, or their answers do not."""
        self.checks.in_step = False
        faults = self.stage.world.sandbox.faults
        faults.plant(kind, times=times, method="POST" if posts else "")

    @rule(what=st.sampled_from(["hold", "hold", "drop", "some", "twice", "flow"]), seed=ANY)
    def webhooks(self, what: str, seed: int) -> None:
        """Webhooks wait, are lost, come twice or out of order."""
        webhooks = self.stage.world.webhooks
        if what == "hold":
            webhooks.hold()
            self.checks.in_step = False
        elif what == "flow":
            webhooks.flow()
        elif what == "drop":
            webhooks.drop(SOME if seed % 2 else None)
        else:
            keep, times = (0.5, 1) if what == "some" else (1.0, 2)
            self.stage.shuffle(seed, keep=keep, times=times)
        self._after()

    @rule()
    def heals(self) -> None:
        """All is put right and looked at: a checkpoint."""
        if not self.checks.in_step:
            self._heal()

    def _heal(self) -> None:
        self.stage.heal(self.checks.look)
        self.checks.end()

    @invariant()
    def holds(self) -> None:
        """What holds after each step."""
        self.checks.step()

    def teardown(self) -> None:
        """In the end all is put right, and looked at."""
        self._heal()
