"""The language of the journeys: somebody does something, then all that followed is stated.

# Note [Nothing goes unsaid]
`expect` takes what is new in order, and what is not named must not have happened: an event, a
mail, a charge, a refund or a logged error that is not stated fails the step. The car's grants and
its verdict are states: unnamed, they must be as they were last stated. When a test ends, nothing
may be left untold.
"""

import difflib
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from billing.grants import Gift, give
from tests.factories import Car, make_car
from tests.journeys import memory
from tests.journeys.people import GOOD, Person
from tests.journeys.telling import STANDARD, Fact, Given, Says, Teller
from tests.journeys.world import World

SECOND = timedelta(seconds=1)
MONTHLY, YEARLY = "premium_monthly_usd", "premium_yearly_usd"


class Journey:
    """An owner, a car and the world; each act may be another person's, or about another car."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.owner = Person("owner", world)
        self.car = make_car(self.owner.user)
        world.settle()
        self.teller = Teller(world)
        self._stated: dict[UUID, tuple[list[Given], Says]] = {}

    @property
    def now(self) -> datetime:
        """The instant at which the world stands still."""
        return self.world.now

    def comes_with(self, source: str, *, until: datetime | None) -> None:
        """The car has had Premium since now from elsewhere: `factory`, `trial`."""
        give(Gift(self.car.vehicle.id, "premium", source, self.now, until), now=self.now)
        self.car.vehicle.lifetime_premium = source == "factory"
        self.car.vehicle.save()
        self.world.settle()
        self.teller.news()
        known = (self.teller.grants(self.car), self.teller.verdict(self.car))
        self._stated[self.car.vehicle.id] = known

    def subscribes(self, price: str = MONTHLY, card: str = GOOD) -> str:
        """The owner goes to the payment page, pays and comes back."""
        self.owner.opens_checkout(self.car, price)
        return self.owner.pays(card)

    def has_subscribed(self, price: str = MONTHLY) -> str:
        """The same, as what a journey begins with. See Note [Walked once] in memory.py."""
        return memory.walk(self, price, lambda: self.subscribes(price))

    def cancels(self) -> str:
        """The owner cancels on the car's page."""
        return self.owner.cancels(self.car)

    def keeps(self) -> str:
        """The owner undoes it."""
        return self.owner.keeps(self.car)

    def goes_to(self, instant: datetime) -> None:
        """Time passes, and what is due happens on the way."""
        self.world.go_to(instant)

    def meets(self, name: str) -> Person:
        """Somebody else, with an account of their own."""
        return Person(name, self.world)

    def another_car(self, owner: Person | None = None) -> Car:
        """One more car, the owner's if nobody else's."""
        car = make_car((owner or self.owner).user)
        self.world.settle()
        return car

    def expect(
        self,
        *,
        events: Sequence[str | Fact] = (),
        mails: Sequence[str] = (),
        charges: Sequence[str] = (),
        refunds: Sequence[str] = (),
        errors: Sequence[str] = (),
        grants: Sequence[Given] | None = None,
        car: Says | None = None,
        of: Car | None = None,
    ) -> None:
        """State all that is new, and the state of the car (`of` another). See Note [Nothing …]."""
        __tracebackhide__ = True
        news, about = self.teller.news(), of or self.car
        before = self._stated.get(about.vehicle.id, ([], STANDARD))
        now = (self.teller.grants(about), self.teller.verdict(about))
        stated = (before[0] if grants is None else list(grants), car or before[1])
        self._stated[about.vehicle.id] = now
        facts = [Fact(each) if isinstance(each, str) else each for each in events]
        _compare(
            self.now,
            {
                "events": ([str(each) for each in facts], _as_stated(news.events, facts)),
                "mails": ([_addressed(each) for each in mails], news.mails),
                "charges": (list(charges), news.charges),
                "refunds": (list(refunds), news.refunds),
                "errors": (list(errors), news.errors),
                "grants": ([str(each) for each in stated[0]], [str(each) for each in now[0]]),
                "car": ([str(stated[1])], [str(now[1])]),
            },
        )

    def at_boundary(
        self, instant: datetime, *, before: str, after: str, of: Car | None = None
    ) -> None:
        """State the car's plan a second before an instant and at it.

        At the instant it holds by time alone, before anybody was told anything, and after.
        """
        __tracebackhide__ = True
        self.world.go_to(instant - SECOND)
        told = {"a second before": (before, self._plan(of))}
        self.world.jump_to(instant)
        told["at the instant"] = (after, self._plan(of))
        self.world.settle()
        told["when all is told"] = (after, self._plan(of))
        _compare(instant, {when: ([want], [got]) for when, (want, got) in told.items()})

    def _plan(self, of: Car | None) -> str:
        return self.teller.verdict(of or self.car).plan


def _addressed(mail: str) -> str:
    return mail if " " in mail else f"{mail} to owner"


def _as_stated(told: Sequence[Fact], stated: Sequence[Fact]) -> list[str]:
    """What happened, with as much data as was stated; all of it for what was not stated."""
    lines = [str(each) for each in told]
    kinds = [each.kind for each in stated], [each.kind for each in told]
    for first, second, size in difflib.SequenceMatcher(None, *kinds, False).get_matching_blocks():
        for step in range(size):
            wanted = list(stated[first + step].data)
            lines[second + step] = str(told[second + step].only(wanted))
    return lines


def _compare(now: datetime, sides: dict[str, tuple[list[str], list[str]]]) -> None:
    """Fail with one readable text if a side is not as stated."""
    __tracebackhide__ = True
    wrong = []
    for name, (stated, told) in sides.items():
        if stated != told:
            lines = list(difflib.unified_diff(stated, told, n=2, lineterm=""))[3:]
            wrong += [f"{name}:", *(f"    {line[0]} {line[1:]}" for line in lines)]
    if wrong:
        text = "\n  ".join(["- was stated, + is so", *wrong])
        raise AssertionError(f"At {now:%Y-%m-%d %H:%M:%S}, {text}")
