"""A car that is passed on, driven by others, or that helps to train: what each of them sees.

It must never mail anybody: the links that are shown here lead nowhere.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model

from billing import specimens as money
from connectivity.specimens.money import subscribed
from connectivity.specimens.registry import Group, Shown, at, of_car
from fleet import drivers, transfers
from fleet import specimens as cars
from fleet.models import Driver, Transfer, Vehicle

states = Group("Sharing")
ADDRESS = "buyer@made-up.test"
DAY = timedelta(days=1)


def _other() -> Any:
    """Whose the car is, where whoever looks is not its owner."""
    return get_user_model().objects.create_user("seller@made-up.test")


# Passing a car on


@states.state("pass a car on")
def _pass_on(owner: Any, now: datetime) -> Shown:
    return at("garage:transfer", subscribed(owner, now)[0].id)


@states.state("pass a car on, nonsense typed")
def _pass_on_to_nobody(owner: Any, now: datetime) -> Shown:
    return at("garage:transfer", subscribed(owner, now)[0].id, data={"email": "nonsense"})


@states.state("on offer, as its owner sees it")
def _on_offer(owner: Any, now: datetime) -> Shown:
    vehicle, _ = subscribed(owner, now)
    cars.offer(vehicle, owner, to=ADDRESS, now=now)
    return of_car(vehicle.id)


def _offered(title: str, *, signed_in: bool, lifetime: bool = False, state: str = "open") -> None:
    """What the link in the mail opens."""

    def build(_owner: Any, now: datetime) -> Shown:
        seller = _other()
        vehicle = cars.car(seller, now=now, lifetime_premium=lifetime)
        if lifetime:
            money.gift(vehicle.id, "factory", now=now, ends_at=None)
        made = cars.offer(vehicle, seller, to=ADDRESS, now=now, state=state)
        return at("garage:offered", transfers.token(made), signed_in=signed_in)

    states.add(title, build)


_offered("an offer, signed out", signed_in=False)
_offered("an offer, signed in", signed_in=True)
_offered("an offer of a car with Premium for life", signed_in=True, lifetime=True)
for _state in (Transfer.State.TAKEN_BACK, Transfer.State.DECLINED, Transfer.State.EXPIRED):
    _offered(f"an offer that is {_state.label.lower()}", signed_in=True, state=_state)


@states.state("one's own offer")
def _own_offer(owner: Any, now: datetime) -> Shown:
    made = cars.offer(cars.car(owner, now=now), owner, to=ADDRESS, now=now)
    return at("garage:offered", transfers.token(made))


# Drivers


@states.state("no drivers")
def _no_drivers(owner: Any, now: datetime) -> Shown:
    return at("garage:drivers", cars.car(owner, now=now).id)


@states.state("drivers")
def _drivers(owner: Any, now: datetime) -> Shown:
    vehicle, _ = subscribed(owner, now)
    cars.driver(vehicle, email=ADDRESS, now=now)
    cars.driver(vehicle, email="driver@made-up.test", now=now, person=_other())
    return at("garage:drivers", vehicle.id)


def _invited(title: str, *, signed_in: bool, state: str = "invited") -> None:
    def build(_owner: Any, now: datetime) -> Shown:
        made = cars.driver(cars.car(_other(), now=now), email=ADDRESS, now=now, state=state)
        return at("garage:invited", drivers.token(made), signed_in=signed_in)

    states.add(title, build)


_invited("an invitation, signed out", signed_in=False)
_invited("an invitation, signed in", signed_in=True)
_invited("an invitation that is over", signed_in=True, state=Driver.State.REMOVED)


def _drives(owner: Any, now: datetime) -> Vehicle:
    vehicle, _ = subscribed(_other(), now)
    cars.driver(vehicle, email=owner.email, now=now, person=owner)
    return vehicle


@states.state("a car that one drives")
def _driven(owner: Any, now: datetime) -> Shown:
    return at("garage:driven", _drives(owner, now).id)


@states.state("the garage of a driver")
def _driver_garage(owner: Any, now: datetime) -> Shown:
    _drives(owner, now)
    return at("garage:list")


# Fleet learning


@states.state("clips allowed, and the car does it")
def _learning(owner: Any, now: datetime) -> Shown:
    vehicle = cars.car(owner, now=now)
    cars.learning(vehicle, owner, at=now - DAY)
    cars.told(vehicle, "applied", at=now, plan="standard")
    return of_car(vehicle.id)


@states.state("clips allowed, on its way to the car")
def _learning_sent(owner: Any, now: datetime) -> Shown:
    vehicle = cars.car(owner, now=now)
    cars.learning(vehicle, owner, at=now)
    return of_car(vehicle.id)


@states.state("clips withdrawn, on its way to the car")
def _learning_withdrawn(owner: Any, now: datetime) -> Shown:
    vehicle = cars.car(owner, now=now)
    cars.learning(vehicle, owner, at=now, given=False)
    return of_car(vehicle.id)
