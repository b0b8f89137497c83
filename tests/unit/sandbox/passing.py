"""How the sandbox's tests let time pass, and what they need to say what it brought."""

import dataclasses
from typing import Any

import requests

from tests.sandbox_server import SandboxServer
from tests.unit.sandbox.conftest import PAYS, Client, SandboxClock, Shop

DAY = 86400
FAILS = "4000 0000 0000 0341"
ASKS = "4000 0027 6000 3184"


@dataclasses.dataclass
class Time:
    """Steps from one thing that time brings to the next."""

    server: SandboxServer
    clock: SandboxClock

    @property
    def state(self) -> dict[str, Any]:
        answer = requests.get(f"{self.server.url}/sandbox/stripe/clock", timeout=10)
        return dict(answer.json())

    def to(self, instant: int) -> None:
        self.clock.advance(seconds=max(0, instant - self.state["now"]))

    def step(self) -> int:
        due: int = self.state["next_due"]
        self.to(due)
        return due


def types_after(client: Client, instant: int) -> list[str]:
    """What happened at an instant, in its order."""
    events = client.v1.events.list({"created": instant, "limit": 100}).data
    return [event.type for event in reversed(events)]


def other_card(shop: Shop, number: str = PAYS) -> str:
    """Another card of the customer's, from another subscription that ends at once."""
    other = shop.subscribe(number, subscription_data={"trial_period_days": 300})
    shop.client.v1.subscriptions.cancel(other.id)
    return str(other.default_payment_method)
