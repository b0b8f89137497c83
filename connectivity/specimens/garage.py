"""The other pages of the garage: lists, adding a car, what is asked before something is done.

Where Stripe would have to be asked first, its answer is made up, and the view's own rest shows it.
"""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse

from billing import specimens as money
from billing import switching
from connectivity.specimens.money import subscribed
from connectivity.specimens.registry import Group, Shown, at, of_car
from fleet import entries, pairing, words
from fleet import specimens as cars
from fleet.forms import AddCarForm
from fleet.models import Vehicle
from fleet.views import changing, garage
from fleet.views.pages import away

states = Group("Garage")
DAY = timedelta(days=1)
VIN = "5YJ3E1EA0KF000316"
CODE = "WDJB-MJHT"


def _with(title: str, count: int) -> None:
    def build(owner: Any, now: datetime) -> Shown:
        models = ("model_3", "model_s", "model_x", "model_y")
        for number in range(count):
            if number % 3:
                cars.car(owner, now=now, model=models[number % 4])
            else:
                subscribed(owner, now, car={"model": models[number % 4]})
        return at("garage:list")

    states.add(title, build)


_with("no car", 0)
_with("one car", 1)
_with("thirty cars", 30)


@states.state("a claim on a car")
def _claimed(owner: Any, now: datetime) -> Shown:
    _claim(owner, now)
    return at("garage:list")


@states.state("a claim on this car")
def _claimed_car(owner: Any, now: datetime) -> Shown:
    return of_car(_claim(owner, now).id)


def _claim(owner: Any, now: datetime) -> Vehicle:
    vehicle, _ = subscribed(owner, now)
    other = get_user_model().objects.create_user("claimant@made-up.test")
    cars.claim(vehicle, other, at=now - DAY)
    return vehicle


# Adding a car


@states.state("add a car")
def _add(_owner: Any, _now: datetime) -> Shown:
    return at("garage:add")


def _typed(title: str, vin: str, code: str) -> None:
    def build(_owner: Any, _now: datetime) -> Shown:
        return at("garage:add", data={"vin": vin, "code": code})

    states.add(f"add a car, {title}", build)


_typed("nothing typed", "", "")
_typed("short VIN", VIN[:-1], CODE)
_typed("wrong check digit", VIN[:8] + "X" + VIN[9:], CODE)
_typed("letter O in the VIN", VIN[:11] + "OOO316", CODE)
_typed("doubtful VIN", "WVWZZZ1JZ3W386752", CODE)
_typed("short code", VIN, CODE[:4])


def _refused(title: str, field: str | None, words_of: Any) -> None:
    """What is only known once a code was tried, which would stay written down."""

    def build(_owner: Any, now: datetime) -> Shown:
        def answer(request: HttpRequest) -> HttpResponse:
            form = AddCarForm({"vin": VIN, "code": CODE})
            form.add_error(field, words_of(now))
            return garage.show_form(request, form)

        return at("garage:add", answer=answer)

    states.add(f"add a car, {title}", build)


_refused("wrong code", "code", lambda _now: words.WRONG_CODE)
_refused("too many tries", None, lambda now: words.too_many_tries(now + pairing.WINDOW))


@states.state("claim opened")
def _opened(_owner: Any, _now: datetime) -> Shown:
    return at("garage:add", answer=garage.show_claim)


# Before something is done


def _asks(title: str, name: str, **facts: Any) -> None:
    """A page that asks before it acts on a car that is paid for."""

    def build(owner: Any, now: datetime) -> Shown:
        known = {key: fact(now) if callable(fact) else fact for key, fact in facts.items()}
        return at(f"garage:{name}", subscribed(owner, now, **known)[0].id)

    states.add(title, build)


_asks("cancel", "cancel")
_asks("cancel a trial", "cancel", status="trialing", period_ends_at=lambda now: now + 5 * DAY)
_asks("cancel what is overdue", "cancel", status="past_due", paid_through=lambda now: now - DAY)
_asks("release what is paid", "release")
_asks(
    "withdraw", "withdraw", car={"market": "DE"}, currency="eur", created_at=lambda now: now - DAY
)


@states.state("release what is not paid")
def _release(owner: Any, now: datetime) -> Shown:
    return at("garage:release", cars.car(owner, now=now).id)


def _quoted(title: str, interval: str, **facts: Any) -> None:
    """What a switch would cost, as Stripe might have said."""

    def build(owner: Any, now: datetime) -> Shown:
        other = "month" if interval == "year" else "year"
        vehicle, row = subscribed(owner, now, interval=other)
        quote = switching.Quote(
            to="",
            interval=interval,
            currency="usd",
            proration_date=int(now.timestamp()),
            next_charge_at=row.period_ends_at or now,
            **{"unit_amount": 10000, "at_end": False, "due": 0, "credit": 0, "tax": 0, **facts},
        )

        def answer(request: HttpRequest) -> HttpResponse:
            entry = entries.entry(owner=owner, vehicle_id=vehicle.id, now=now)
            return changing.show_quote(request, entry, quote, now=now)

        return at("garage:switch", vehicle.id, answer=answer)

    states.add(title, build)


_quoted("switch to yearly", "year", due=10058, credit=600, tax=658)
_quoted("switch to monthly", "month", unit_amount=1000, at_end=True)


@states.state("switch declined")
def _declined(owner: Any, now: datetime) -> Shown:
    vehicle, _ = subscribed(owner, now)

    def answer(request: HttpRequest) -> HttpResponse:
        entry = entries.entry(owner=owner, vehicle_id=vehicle.id, now=now)
        return changing.show_declined(request, entry, money.PAY_URL, now=now)

    return at("garage:switch", vehicle.id, answer=answer)


@states.state("Stripe is away")
def _away(owner: Any, now: datetime) -> Shown:
    back = of_car(cars.car(owner, now=now).id).path
    return at("garage:list", answer=lambda request: away(request, back))


# Invoices


@states.state("no invoices")
def _no_invoices(_owner: Any, _now: datetime) -> Shown:
    return at("billing:invoices")


@states.state("invoices of every kind")
def _invoices(owner: Any, now: datetime) -> Shown:
    _, row = subscribed(owner, now)
    kinds: tuple[dict[str, Any], ...] = (
        {"status": "open", "amount_paid": 0},
        {"amount_refunded": 1070},
        {"status": "uncollectible", "amount_paid": 0},
        {"status": "void", "amount_paid": 0, "pdf_url": "", "hosted_url": ""},
        {"tax": 0, "total": 1000, "amount_paid": 1000},
    )
    for number, facts in enumerate(kinds):
        money.invoice(row, at=now - number * 30 * DAY, number=9 - number, **facts)
    return at("billing:invoices")


@states.state("invoices on many pages")
def _many_invoices(owner: Any, now: datetime) -> Shown:
    _, row = subscribed(owner, now)
    for number in range(120):
        money.invoice(row, at=now - number * 30 * DAY, number=120 - number)
    return at("billing:invoices", query="?page=2")
