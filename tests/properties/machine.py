"""The rules by which Hypothesis puts sequences together."""

import contextlib
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

import fleet.tasks
from tests.journeys.journey import MONTHLY, YEARLY
from tests.journeys.people import ASKS, ASKS_EACH_TIME, DECLINED, FAILS_LATER, GOOD
from tests.properties.acts import NAMES, Acts
from tests.properties.checks import Checks
from tests.properties.ledger import Charge
from tests.properties.promises import GRACE, RENEWS, Contract, Purchase
from tests.properties.stage import Disorder, Stage
from tests.properties.tally import Tally

CARS = st.integers(0, 1)
ANY = st.integers(0, 5)
LOST = st.sampled_from([0.0, 0.0, 0.5, 1.0])  # the share of webhooks that never come
HOUR = 3600  # seconds
SECOND = timedelta(seconds=1)
SOON = timedelta(days=62)
PRICES = st.sampled_from([MONTHLY, YEARLY])
CARDS = st.sampled_from([GOOD, GOOD, FAILS_LATER, ASKS, ASKS_EACH_TIME, DECLINED])
GIVES = (*["now", "afterwards"] * 4, "end", "end", "retire")
FAULTS = ("drop_after", "drop", "error_after", "error", "outage", "rate_limit")
SOME = ("invoice.paid", "customer.subscription.updated", "customer.subscription.deleted")
AROUND = (-1, 0, 1800, 3 * HOUR, 3 * HOUR)  # seconds; the charge comes an hour after it
SPANS = (
    timedelta(days=6),
    timedelta(minutes=2),
    timedelta(minutes=90),
    timedelta(days=1),
    timedelta(days=15),
    timedelta(days=32),
    timedelta(days=75),
)

T = TypeVar("T")


def _one(which: int, found: Sequence[T]) -> T:
    """The last of them is 0."""
    return found[-1 - which % len(found)]


@dataclass(frozen=True)
class Act:
    """Something that can be done where `some` finds anything to do it to."""

    does: Callable[..., None]
    some: Callable[[Any], Any]
    draws: Mapping[str, st.SearchStrategy[Any]]


OWNERS: list[Act] = []
STAFF: list[Act] = []
STRIPE: list[Act] = []
CLOCK: list[Act] = []
NETWORK: list[Act] = []
F = TypeVar("F", bound=Callable[..., None])


def _always(_: object) -> bool:
    return True


def act(
    group: list[Act],
    some: Callable[[Any], Any] = _always,
    **draws: st.SearchStrategy[Any],
) -> Callable[[F], F]:
    """Let a group have this act."""

    def register(does: F) -> F:
        group.append(Act(does, some, draws))
        return does

    return register


class Machine(RuleBasedStateMachine):
    """Owners, staff, Stripe, the clock and the network, in any order."""

    stage: ClassVar[Stage]
    people: ClassVar[dict[str, Any]]
    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.tally.sequences += 1
        gc.collect(0 if self.tally.sequences % 20 else 2)

    @contextlib.contextmanager
    def _doing(self, *what: object) -> Iterator[None]:
        """Somebody does something while time stands still; then what is due happens."""
        before = self._traces()
        yield
        self.tally.note(what, took=self._traces() != before)
        self.checks.look()
        self.stage.settle()

    def _traces(self) -> object:
        """What an act that took effect has changed."""
        return self.stage.traces(), repr(self.acts.promised)

    def _live(self, *statuses: str) -> list[tuple[Purchase, Contract]]:
        return self.acts.contracts(*statuses)

    def _renewing(self) -> list[tuple[Purchase, Contract]]:
        return self._live(*RENEWS)

    def _paused(self) -> list[tuple[Purchase, Contract]]:
        return self._live("paused")

    def _ending(self) -> list[tuple[Purchase, Contract]]:
        return [each for each in self._renewing() if each[1].ending]

    def _going_on(self) -> list[tuple[Purchase, Contract]]:
        return [each for each in self._renewing() if not each[1].ending]

    def _bought(self) -> list[Purchase]:
        return self.acts.purchases()

    def _pages(self) -> list[Purchase]:
        """The pages that can still be paid."""
        book = self.acts.ledger
        return [each for each in self.acts.purchases() if each.page in book.unpaid]

    def _charges(self) -> list[Charge]:
        every = self.acts.ledger.charges
        return [each for each in every if not each.disputed and each.refunded < each.amount]

    def _disputes(self) -> list[str]:
        return [name for name, how in self.acts.ledger.disputes.items() if how == "needs_response"]

    # Where it begins.

    @initialize(
        after=st.sampled_from(["cancel", "unpaid", "past_due", "pause"]),
        how=st.sampled_from(["at", "flag"]),
        gift=st.sampled_from(["", "", "", "trial", "factory"]),
        paid=st.sampled_from([True, True, True, False]),
        price=PRICES,
        card=st.sampled_from([FAILS_LATER, GOOD]),
        audits=st.sampled_from([False, False, False, True]),
    )
    def begins(
        self, after: str, how: str, gift: str, paid: bool, price: str, card: str, audits: bool
    ) -> None:
        """How Stripe is set, what the first car came with, and whether it is subscribed."""
        where = (gift, price, card) if paid else (gift,)
        self.acts: Acts = self.stage.begin(where, lambda: self._begun(*where))
        self.checks = Checks(self.acts)
        self.checks.audits = audits
        settings = {"after_retries": after, "portal_cancel": how}
        self.stage.dashboard("POST", "/sandbox/stripe/settings", **settings)
        self.tally.note(["begins", gift or "bare", "paid" if paid else "unpaid"], took=True)
        self.checks.look()

    def _begun(self, gift: str, price: str = "", card: str = GOOD) -> Acts:
        """Two cars, the first of which comes with a gift, or is paid for, or both."""
        acts = Acts(self.stage, self.people)
        fleet.tasks.sweep()
        if gift:
            acts.comes_with(0, gift, 30)
        if price:
            acts.opens(0, price)
            acts.pays(acts.purchases()[-1], GOOD)
            if card != GOOD:  # One that fails when it is charged cannot pay at the page.
                [[_, contract]] = acts.contracts()
                acts.takes_card(acts.ledger.customers[contract.id], card)
        self.stage.settle()
        return acts

    # Owners.

    @act(OWNERS, car=CARS, price=PRICES)
    def opens(self, car: int, price: str) -> None:
        """Somebody goes to a payment page."""
        with self._doing("opens"):
            self.acts.opens(car, price)

    @act(OWNERS, _pages, which=ANY, card=CARDS, confirms=st.sampled_from([True, True, False]))
    def pays(self, which: int, card: str, confirms: bool) -> None:
        """Somebody fills in a card, on a new page or on an old one."""
        with self._doing("pays", card):
            self.acts.pays(_one(which, self._pages()), card, confirms=confirms)

    @act(OWNERS, _going_on, which=ANY)
    def stops(self, which: int) -> None:
        """An owner cancels."""
        with self._doing("stops"):
            self.acts.stops(_one(which, self._going_on())[0].car)

    @act(OWNERS, _ending, which=ANY)
    def keeps(self, which: int) -> None:
        """An owner undoes it."""
        with self._doing("keeps"):
            self.acts.keeps(_one(which, self._ending())[0].car)

    @act(OWNERS, _renewing, which=ANY)
    def switches(self, which: int) -> None:
        """An owner changes to the other price."""
        with self._doing("switches"):
            self.acts.switches(_one(which, self._renewing())[0].car)

    @act(OWNERS, _live, which=ANY)
    def withdraws(self, which: int) -> None:
        """An owner withdraws from the contract, perhaps too late."""
        with self._doing("withdraws"):
            self.acts.withdraws(_one(which, self._live())[0].car)

    @act(OWNERS, _bought, car=CARS, to=st.sampled_from(["", *NAMES]))
    def sells(self, car: int, to: str) -> None:
        """An owner gives a car away; a buyer may have it at once."""
        with self._doing("sells", "and somebody adds it" if to else ""):
            self.acts.releases(car)
            if to:
                self.acts.adds(car, to)

    @act(OWNERS, _pages, which=ANY, to=st.sampled_from(NAMES), buyer=st.booleans(), price=PRICES)
    def sells_while_paying(self, which: int, to: str, buyer: bool, price: str) -> None:
        """A seller's page is paid before Stripe hears that it is void; a buyer may pay as well."""
        page = _one(which, self._pages())
        with self._doing("sells while paying"):
            self.stage.break_line("drop", 3, "POST")
            self.checks.in_step = False
            self.acts.releases(page.car)
            self.acts.adds(page.car, to)
            self.stage.mend()
            if buyer:
                self.acts.opens(page.car, price)
                self.acts.pays(self.acts.promised[page.car].purchases[-1], GOOD)
            self.acts.pays(page, GOOD)

    # Staff.

    @act(STAFF, _live, which=ANY, back=st.sampled_from(["none", "unused", "full"]))
    def staff_cancel(self, which: int, back: str) -> None:
        """Staff end a contract now."""
        with self._doing("staff cancel", back):
            self.acts.is_cancelled(_one(which, self._live())[0], back)

    @act(STAFF, _live, which=ANY, cents=st.sampled_from([1, 300, 1000]))
    def staff_refund(self, which: int, cents: int) -> None:
        """Staff give money back."""
        with self._doing("staff refund"):
            self.acts.is_refunded(_one(which, self._live())[0], cents)

    @act(STAFF, _live, which=ANY, days=st.sampled_from([1, 10, 60]))
    def staff_extend(self, which: int, days: int) -> None:
        """Staff make paid time longer."""
        with self._doing("staff extend", days):
            self.acts.is_extended(_one(which, self._live())[0], days)

    @act(STAFF, car=CARS, what=st.sampled_from(GIVES))
    def staff_give(self, car: int, what: str) -> None:
        """Staff give a car something, or take it back, or take the car out of service."""
        if what == "end" and not self.acts.promised[car].gifts:
            what = "now"
        with self._doing("staff give", what):
            if what == "retire":
                self.acts.is_retired(car)
            elif what == "end":
                self.acts.loses_gifts(car)
            else:
                self.acts.is_given(car, 10, afterwards=what == "afterwards")

    # Stripe.

    @act(STRIPE, _going_on, which=ANY, how=st.sampled_from(["at", "flag"]))
    def schedules_end(self, which: int, how: str) -> None:
        """Somebody ends it with its period, in the portal or in the dashboard."""
        form = {"at": {"cancel_at": "max_period_end"}, "flag": {"cancel_at_period_end": "true"}}
        with self._doing("schedules its end by", how):
            contract = _one(which, self._going_on())[1]
            self.acts.changes_at_stripe(contract, **form[how])

    @act(STRIPE, _ending, which=ANY)
    def undoes_end(self, which: int) -> None:
        """Somebody undoes that, in the portal or in the dashboard."""
        with self._doing("undoes its end at Stripe"):
            self.acts.goes_on_at_stripe(_one(which, self._ending())[1])

    @act(STRIPE, _live, which=ANY, what=st.sampled_from(["now", "customer"]))
    def ends_at_stripe(self, which: int, what: str) -> None:
        """The dashboard ends it at once, or deletes the customer with all that they pay."""
        contract = _one(which, self._live())[1]
        with self._doing("ends at Stripe", what):
            if what == "now":
                self.acts.ends_at_stripe(contract)
            else:
                self.acts.deletes_customer(self.acts.ledger.customers[contract.id])

    @act(STRIPE, _renewing, which=ANY, credited=st.booleans())
    def pauses(self, which: int, credited: bool) -> None:
        """Somebody pauses it; its rest may be credited."""
        with self._doing("pauses", "with credit" if credited else ""):
            self.acts.pauses_at_stripe(_one(which, self._renewing())[1], credited=credited)

    @act(STRIPE, _paused, which=ANY)
    def resumes(self, which: int) -> None:
        """Somebody lets it go on."""
        with self._doing("resumes"):
            self.acts.resumes_at_stripe(_one(which, self._paused())[1])

    @act(STRIPE, _charges, which=ANY)
    def bank_takes(self, which: int) -> None:
        """A bank takes a payment back."""
        with self._doing("bank takes"):
            self.acts.disputes(_one(which, self._charges()).id)

    @act(STRIPE, _disputes, which=ANY, what=st.sampled_from(["won", "lost", "lost"]))
    def bank_decides(self, which: int, what: str) -> None:
        """A bank decides."""
        with self._doing("bank says", what):
            self.acts.closes_dispute(_one(which, self._disputes()), what)

    @act(STRIPE, _charges, which=ANY, cents=st.sampled_from([1, 500]))
    def refund_at_stripe(self, which: int, cents: int) -> None:
        """The dashboard gives money back."""
        with self._doing("refund at Stripe"):
            self.acts.refunds_at_stripe(_one(which, self._charges()).id, cents)

    @act(STRIPE, _live, which=ANY, card=st.sampled_from([GOOD, FAILS_LATER]))
    def new_card(self, which: int, card: str) -> None:
        """Somebody gives another card in the portal."""
        contract = _one(which, self._live())[1]
        with self._doing("new card", card):
            self.acts.takes_card(self.acts.ledger.customers[contract.id], card)

    # The clock.

    def _charged_soon(self) -> list[datetime]:
        """When the next charges come: a month's at the most, for a year is long to live through."""
        book, until = self.acts.ledger, self.stage.now + SOON
        every = [book.next_charge[contract.id] for _, contract in self._going_on()]
        return [each for each in every if each <= until]

    @act(CLOCK, _charged_soon, which=ANY, after=st.sampled_from([3 * HOUR, 30 * HOUR, 80 * HOUR]))
    def waits_for_charge(self, which: int, after: int) -> None:
        """Time passes until the next charge was made, or failed and is tried again."""
        due = _one(which, self._charged_soon())
        with self._doing("waits for a charge"):
            self.stage.go_to(due + timedelta(seconds=after), self.checks.look)

    @act(CLOCK, _live, which=ANY, off=st.sampled_from(AROUND), grace=st.booleans())
    def waits_for_boundary(self, which: int, off: int, grace: bool) -> None:
        """Time passes until something ends: a second before, just then, around the charge."""
        lines = [line for each in _one(which, self._live())[1].invoices for line in each.lines]
        until = max((line.ends for line in lines), default=self.stage.now)
        until += GRACE * grace + timedelta(seconds=off)
        with self._doing("waits for a boundary"):
            if self.stage.now < until:
                self.stage.go_to(until, self.checks.look)

    @act(CLOCK, by=st.sampled_from(SPANS))
    def waits(self, by: timedelta) -> None:
        """Time passes."""
        with self._doing("waits"):
            self.stage.go_to(self.stage.now + by, self.checks.look)

    # The network.

    @act(NETWORK, kind=st.sampled_from(FAULTS), times=st.integers(1, 4), posts=st.booleans())
    def line_fails(self, kind: str, times: int, posts: bool) -> None:
        """The next calls to Stripe do not get through, or their answers do not."""
        with self._doing("line fails:", kind):
            self.checks.in_step = False
            self.stage.break_line(kind, times, "POST" if posts else "")

    def _held(self) -> bool:
        return self.stage.world.webhooks.held

    @act(NETWORK, lambda self: not self._held(), seed=ANY, times=st.integers(1, 2), lost=LOST)
    def holds_webhooks(self, seed: int, times: int, lost: float) -> None:
        """From now on webhooks wait; in the end they come out of order, twice, or not all."""
        with self._doing("webhooks wait"):
            self.stage.world.webhooks.hold()
            self.stage.disorder = Disorder(seed, keep=1 - lost, times=times)
            self.checks.in_step = False

    def _waiting(self) -> bool:
        return self._held() and bool(self.stage.world.webhooks.waiting())

    @act(NETWORK, _waiting, part=st.booleans())
    def loses_webhooks(self, part: bool) -> None:
        """Webhooks that waited are lost."""
        with self._doing("webhooks lost"):
            self.stage.world.webhooks.drop(SOME if part else None)

    @act(NETWORK, _waiting, seed=ANY, keep=st.sampled_from([0.5, 1.0]), times=st.integers(1, 2))
    def shuffles_webhooks(self, seed: int, keep: float, times: int) -> None:
        """Webhooks that waited come out of order, perhaps not all, perhaps twice."""
        with self._doing("webhooks come in disorder", "twice" if times > 1 else ""):
            self.stage.shuffle(Disorder(seed, keep, times))

    @act(NETWORK, _waiting)
    def lets_webhooks_flow(self) -> None:
        """All that waited come at last."""
        with self._doing("webhooks flow"):
            self.stage.world.webhooks.flow()

    @act(NETWORK, lambda self: not self.checks.in_step)
    def heals(self) -> None:
        """All is put right and looked at: a checkpoint."""
        self._heal()

    def _heal(self) -> None:
        self.stage.heal(self.checks.look)
        self.checks.end()

    # Who does something next. Hypothesis draws the group, leaves some groups out of a sequence, and
    # prefers what stands first in a list: so the most telling stands there.

    @rule(data=st.data())
    def owners(self, data: st.DataObject) -> None:
        """An owner does something."""
        self._next(data, OWNERS)

    @rule(data=st.data())
    def staff(self, data: st.DataObject) -> None:
        """Staff do something."""
        self._next(data, STAFF)

    @rule(data=st.data())
    def stripe(self, data: st.DataObject) -> None:
        """Something happens at Stripe."""
        self._next(data, STRIPE)

    @rule(data=st.data())
    def clock(self, data: st.DataObject) -> None:
        """Time passes."""
        self._next(data, CLOCK)

    @rule(data=st.data())
    def network(self, data: st.DataObject) -> None:
        """The way between the two breaks, or is mended."""
        self._next(data, NETWORK)

    def _next(self, data: st.DataObject, group: list[Act]) -> None:
        """A second later, one of the acts that could change something then."""
        self.stage.go_to(self.stage.now + SECOND, self.checks.look)
        possible = {
            each.does.__name__: each
            for each in (group if any(each.some(self) for each in group) else OWNERS)
            if each.some(self)
        }
        name = data.draw(st.sampled_from(list(possible)), "what")
        draws = possible[name].draws
        possible[name].does(self, **{each: data.draw(which, each) for each, which in draws.items()})

    @invariant()
    def holds(self) -> None:
        """What holds after each step."""
        self.checks.step()

    def teardown(self) -> None:
        """In the end all is put right, and looked at."""
        self._heal()
        self.tally.seen.update(self.checks.seen)
