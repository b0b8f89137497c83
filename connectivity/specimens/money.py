"""The states of a subscription, on the page of its car; each car says that it has what is paid.

It must never decide what a state means: see billing.policy.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from billing import specimens as money
from connectivity.specimens.registry import Group, Shown, of_car
from fleet import specimens as cars
from fleet.models import Vehicle

states = Group("Billing")
DAY = timedelta(days=1)


def subscribed(
    owner: Any, now: datetime, *, car: dict[str, Any] | None = None, **facts: Any
) -> tuple[Vehicle, Any]:
    """A car that is paid for, and that has confirmed it."""
    vehicle = cars.car(owner, now=now, **(car or {}))
    row = money.subscription(owner, vehicle.id, now=now, **facts)
    cars.told(vehicle, "applied", at=now - 20 * DAY)
    return vehicle, row


def _add(title: str, **facts: Callable[[datetime], Any] | Any) -> None:
    """A state that follows from the subscription's facts; those that are functions want now."""

    def build(owner: Any, now: datetime) -> Shown:
        known = {name: fact(now) if callable(fact) else fact for name, fact in facts.items()}
        return of_car(subscribed(owner, now, **known)[0].id)

    states.add(title, build)


def _in(days: int) -> Callable[[datetime], datetime]:
    return lambda now: now.replace(microsecond=0) + timedelta(days=days, hours=1)


@states.state("none")
def _none(owner: Any, now: datetime) -> Shown:
    return of_car(cars.car(owner, now=now).id)


@states.state("checkout started")
def _started(owner: Any, now: datetime) -> Shown:
    vehicle = cars.car(owner, now=now)
    money.payment_page(owner, vehicle.id, now=now)
    return of_car(vehicle.id)


@states.state("checkout returned")
def _returned(owner: Any, now: datetime) -> Shown:
    vehicle = cars.car(owner, now=now)
    money.payment_page(owner, vehicle.id, now=now)
    return of_car(vehicle.id, "?checkout=done")


@states.state("checkout left")
def _left(owner: Any, now: datetime) -> Shown:
    vehicle = cars.car(owner, now=now)
    money.payment_page(owner, vehicle.id, now=now)
    return of_car(vehicle.id, "?checkout=left")


_add("first payment pending", status="incomplete")
_add("trial", status="trialing", trial_ends_at=_in(12), period_ends_at=_in(12))
_add("trial ending", status="trialing", trial_ends_at=_in(5), period_ends_at=_in(5))
_add("trial cancelled", status="trialing", period_ends_at=_in(5), ends_at=_in(5))
_add("active")
_add("active yearly", interval="year", unit_amount=10000, period_ends_at=_in(300))
_add("active, amount not known yet", period_ends_at=None, paid_through=_in(3))
_add(
    "active with a discount",
    discounted_amount=500,
    discount_ends_at=_in(80),
)
_add("paused", status="paused", paid_through=_in(-3))
_add("cancel scheduled", ends_at=_in(18), period_ends_at=_in(18))
_add("cancelled", status="canceled", ends_at=_in(-3), paid_through=_in(-3))


@states.state("confirmation needed")
def _confirmation(owner: Any, now: datetime) -> Shown:
    return _failed(owner, now, retry_at=None, action_required=True)


@states.state("past due, tried again")
def _past_due(owner: Any, now: datetime) -> Shown:
    return _failed(owner, now, retry_at=now + 3 * DAY)


@states.state("past due, not tried again")
def _not_tried(owner: Any, now: datetime) -> Shown:
    return _failed(owner, now, retry_at=None)


@states.state("past due, grace is over")
def _after_grace(owner: Any, now: datetime) -> Shown:
    return _failed(owner, now, retry_at=now + DAY, ago=9)


@states.state("unpaid")
def _unpaid(owner: Any, now: datetime) -> Shown:
    return _failed(owner, now, retry_at=None, status="unpaid", ago=20)


def _failed(
    owner: Any,
    now: datetime,
    *,
    status: str = "past_due",
    ago: int = 1,
    **invoice: Any,
) -> Shown:
    ended = now.replace(microsecond=0) - timedelta(days=ago)
    vehicle, row = subscribed(owner, now, status=status, paid_through=ended)
    money.unpaid_invoice(row, at=ended, **invoice)
    return of_car(vehicle.id)


@states.state("withdrawn")
def _withdrawn(owner: Any, now: datetime) -> Shown:
    vehicle, row = subscribed(
        owner,
        now,
        car={"market": "DE"},
        status="canceled",
        currency="eur",
        created_at=now - 5 * DAY,
        ends_at=now - DAY,
        paid_through=now.replace(microsecond=0) - DAY,
    )
    money.event(row, "withdrawn", at=now - DAY)
    return of_car(vehicle.id)


@states.state("withdrawal possible")
def _may_withdraw(owner: Any, now: datetime) -> Shown:
    car = {"market": "DE"}
    facts = {"currency": "eur", "created_at": now - 2 * DAY}
    return of_car(subscribed(owner, now, car=car, **facts)[0].id)


@states.state("refunded")
def _refunded(owner: Any, now: datetime) -> Shown:
    vehicle, row = subscribed(owner, now)
    money.invoice(row, at=now - 10 * DAY, amount_refunded=535)
    return of_car(vehicle.id)


@states.state("in dispute")
def _disputed(owner: Any, now: datetime) -> Shown:
    vehicle, row = subscribed(owner, now)
    money.dispute(money.invoice(row, at=now - 10 * DAY), at=now - DAY)
    return of_car(vehicle.id)


@states.state("dispute lost")
def _lost(owner: Any, now: datetime) -> Shown:
    vehicle, row = subscribed(owner, now, ends_at=now + 9 * DAY)
    money.dispute(money.invoice(row, at=now - 10 * DAY), at=now - DAY, status="lost")
    return of_car(vehicle.id)


@states.state("sold")
def _sold(owner: Any, now: datetime) -> Shown:
    vehicle, row = subscribed(owner, now, status="canceled", ends_at=now - DAY)
    cars.sold(vehicle, at=row.ends_at or now)
    return of_car(vehicle.id)


def _given(title: str, source: str, days: int | None, **car: Any) -> None:
    """Premium that nobody pays for."""

    def build(owner: Any, now: datetime) -> Shown:
        vehicle = cars.car(owner, now=now, **car)
        ends_at = None if days is None else now + timedelta(days=days)
        money.gift(vehicle.id, source, now=now, ends_at=ends_at)
        cars.told(vehicle, "applied", at=now - 2 * DAY)
        return of_car(vehicle.id)

    states.add(title, build)


_given("free by support", "goodwill", 20)
_given("factory trial", "trial", 20)
_given("for life", "factory", None, lifetime_premium=True)


def _kept_from(title: str, **car: Any) -> None:
    """A car that cannot take Premium."""

    def build(owner: Any, now: datetime) -> Shown:
        known = {name: fact(now) if callable(fact) else fact for name, fact in car.items()}
        return of_car(cars.car(owner, now=now, **known).id)

    states.add(title, build)


_kept_from("no modem", hardware="none")
_kept_from("out of service", removed_at=_in(-2))
_kept_from("older hardware in Canada", hardware="mcu1", market="CA")
