"""Webhooks in every order and any number of times: one and the same state in the end.

# Note [Every order, without walking each]
What comes next depends on the state alone. So orders that have led to one state are gone on with
once: all states that any sequence of deliveries can reach are found, each delivery is tried in each
of them, and every order is a path among them. Some orders are walked one by one as well.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from tests.journeys.branching import Branches
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.orders import with_one_twice
from tests.journeys.telling import STANDARD, Given, at, premium

BEGIN = at("2027-03-01 09:00")
RENEWED = at("2027-04-01 10:00")
CANCELLED = at("2027-04-10 12:00")
ENDED = at("2027-05-01 09:00")
CREATED, CHANGED = "customer.subscription.created", "customer.subscription.updated"
DELETED, PAID = "customer.subscription.deleted", "invoice.paid"
COMPLETED = "checkout.session.completed"
WALKED = 12
PATIENCE = timedelta(hours=2)  # An event that only turned a period waits for its payment.

State = dict[str, list[str]]


@dataclass
class Atlas:
    """All states that deliveries of these events can reach, and where each delivery leads."""

    journey: Journey
    branches: Branches
    bodies: Sequence[str]
    ends: dict[str, State] = field(default_factory=dict)
    ways: dict[str, list[str]] = field(default_factory=dict)

    def explore(self, state: State, came: frozenset[int] = frozenset()) -> str:
        """Try each delivery from this state; return the state's name."""
        name = repr(sorted(state.items()))
        if name in self.ways:
            return name
        self.ways[name] = []
        if len(came) == len(self.bodies):
            with self.branches.later(PATIENCE):
                self.ends[name] = self.end()
        for number, body in enumerate(self.bodies):
            with self.branches.branch():
                self.branches.deliver(body)
                found = self.branches.state()
                self.ways[name].append(self.explore(found, came | {number}))
        return name

    def end(self) -> State:
        """The state of now, once nothing is to come."""
        return self.branches.end(self.journey.teller, self.journey.car)

    def end_of(self, start: str, order: Sequence[int]) -> str:
        """Where an order of deliveries leads."""
        for number in order:
            start = self.ways[start][number]
        return start

    def walk(self, order: Sequence[int]) -> State:
        """Deliver in an order, sweep up and come back; the state that it led to."""
        with self.branches.branch():
            for number in order:
                self.branches.deliver(self.bodies[number])
            with self.branches.later(PATIENCE):
                return self.end()


def at_stripe(journey: Journey, until: str) -> list[str]:
    """Subscribe, renew, and cancel as the Portal does, with nothing told; the six events of it."""
    world = journey.world
    world.webhooks.hold()
    journey.subscribes(MONTHLY)
    first = world.webhooks.waiting([CREATED, PAID, COMPLETED])
    skip_to(journey, RENEWED)
    renewal = world.webhooks.waiting([PAID])[1:]
    turned = world.webhooks.waiting([CHANGED])
    skip_to(journey, CANCELLED)
    schedule_end(journey)
    cancelled = [each for each in world.webhooks.waiting([CHANGED]) if each not in turned]
    told = [*first, *renewal, *turned, *cancelled]
    if until == "ended":
        skip_to(journey, ENDED)
        told = [*first, *renewal, *cancelled, *world.webhooks.waiting([DELETED])]
    return [each["id"] for each in told]


def skip_to(journey: Journey, instant) -> None:
    """Let Stripe go on while the product hears and does nothing."""
    while (due := journey.world.next_at_stripe()) is not None and due <= instant:
        journey.world.jump_to(due)
        journey.world.sandbox.runner.catch_up()
    journey.world.jump_to(instant)


def schedule_end(journey: Journey) -> None:
    """Cancel at the period's end behind the product's back."""
    with journey.world.sandbox.store.reading() as tx:
        [subscription] = tx.select("subscription")
    answer = journey.world.app.test_client().post(
        f"/v1/subscriptions/{subscription['id']}",
        data={"cancel_at_period_end": "true"},
        headers={"Authorization": "Bearer sk_test_sandbox"},
    )
    assert answer.status_code == 200


def differences(states: Sequence[State]) -> list[str]:
    """What some of these states have and others have not."""
    lines: list[set[str]] = [
        {f"{kind}: {row}" for kind, rows in each.items() for row in rows} for each in states
    ]
    common = lines[0].intersection(*lines)
    return sorted(set[str]().union(*lines) - common)


@pytest.mark.parametrize("until", ["ending", "ended"])
def test_every_order_of_six_events_with_repeats_leads_to_one_state(
    journey: Journey, until: str
) -> None:
    branches = Branches(journey.world)
    events = at_stripe(journey, until)
    assert len(events) == len(set(events)) == 6
    atlas = Atlas(journey, branches, [branches.body(event) for event in events])

    with branches.rooted():
        start = atlas.explore(branches.state())

        # Once all six have come and what could wait was swept up, all is the same for ever.
        settled = list(atlas.ends.values())
        assert len({repr(each) for each in settled}) == 1, "\n".join(differences(settled))
        assert all(way in atlas.ends for name in atlas.ends for way in atlas.ways[name])
        orders = list(itertools.permutations(range(6)))
        assert len(orders) == 720
        doubled = list(with_one_twice(range(6)))
        assert len(doubled) == 15_120
        assert {atlas.end_of(start, order) for order in [*orders, *doubled]} <= set(atlas.ends)

        chosen = random.Random(20270301).sample([*orders, *doubled], WALKED)
        assert {repr(atlas.walk(order)) for order in chosen} == {repr(settled[0])}
    state_it(journey, until)


def state_it(journey: Journey, until: str) -> None:
    """Let all be told, and state what that one state is."""
    journey.world.webhooks.flow()
    journey.world.settle()
    if until == "ended":
        # Heard of when it was over: it gave nothing, and nobody took its seat.
        journey.expect(
            events=["checkout_started", "subscription_canceled"], charges=["$10.00", "$10.00"]
        )
        return
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00", "$10.00"],
        grants=[Given("subscription", BEGIN, ENDED)],
        car=premium(until=ENDED),
    )
    journey.at_boundary(ENDED, before="premium", after="standard")
    journey.expect(events=["subscription_canceled"], mails=["premium_ended"], car=STANDARD)
