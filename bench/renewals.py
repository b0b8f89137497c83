"""Renewals in bulk: some real ones of the sandbox's Stripe, and as many copies as are wanted.

A copy has ids of its own in place of each id of the original, at Stripe as here. What is measured
with them is decided elsewhere.
"""

import contextlib
import itertools
import json
import re
import secrets
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import requests

from billing import checkout, clock, subjects
from billing.models import Change, Customer, Grant, Seat, Subscription
from fleet.models import Vehicle
from tests import factories
from tests.running import Run, soon

ORIGINALS = 8
MONTH = 32 * 86_400
# The price and its product are everybody's.
ID = re.compile(r"\b(?!price_|prod_)([a-z]+_)1[A-Za-z0-9]{7}([A-Za-z0-9]{16})\b")
NUMBER = "########"
CARD = {
    "cardNumber": "4242424242424242",
    "cardExpiry": "12 / 49",
    "cardCvc": "123",
    "billingName": "Card Holder",
}


@dataclass(frozen=True)
class Original:
    """One renewal: how it stood before here, its events, and what is at Stripe, as templates."""

    customer: str
    mirror: Subscription
    grant: Grant
    events: list[str]
    objects: list[tuple[str, ...]]


def numbered(template: str, number: int) -> str:
    """What the template becomes for the copy with this number."""
    return template.replace(NUMBER, f"{number:08d}")


def originals(run: Run) -> list[Original]:
    """Have people subscribe, let a month pass, and write down what Stripe had to say."""
    factories._numbers = itertools.count(1000)  # noqa: SLF001 -- the demo's car has a low one
    mirrors = [_subscribed(run) for _ in range(ORIGINALS)]
    _control(run, "webhooks/hold")
    with _stripe(run) as db:
        [(last,)] = db.execute("SELECT max(seq) FROM objects").fetchall()
    clock.advance(MONTH)
    found = soon(lambda: _renewed(run, mirrors, last))
    _control(run, "webhooks/resume")
    if not found:
        raise RuntimeError("The sandbox did not renew what was subscribed.")
    return list(found)


def copy(run: Run, what: list[Original], numbers: Iterable[int]) -> list[uuid.UUID]:
    """Make subscriptions that stand as the originals did just before their renewal."""
    now, pairs = clock.now(), [(number, what[number % len(what)]) for number in numbers]
    vehicles = Vehicle.objects.bulk_create(_vehicle() for _ in pairs)
    subjects.create([vehicle.pk for vehicle in vehicles], now=now)
    payer = factories.make_user()
    ids = [_mine(original.customer, n) for n, original in pairs]
    customers = Customer.objects.bulk_create(
        Customer(payer=payer, currency="usd", ordinal=at + 1, stripe_customer_id=stripe_id)
        for at, stripe_id in enumerate(ids)
    )
    mirrors = Subscription.objects.bulk_create(
        _mirror(original.mirror, number, vehicle, customer)
        for (number, original), vehicle, customer in zip(pairs, vehicles, customers, strict=True)
    )
    pieces = list(zip(pairs, mirrors, vehicles, strict=True))
    Grant.objects.bulk_create(_grant(one.grant, m, car.pk) for (_, one), m, car in pieces)
    Seat.objects.bulk_create(
        Seat(subject_id=car.pk, payer=payer, subscription=mirror, taken_at=now)
        for _, mirror, car in pieces
    )
    _copy_at_stripe(run, pairs)
    soon(lambda: not Change.objects.exists(), 300)
    return [vehicle.pk for vehicle in vehicles]


def _subscribed(run: Run) -> Subscription:
    """Somebody new who has subscribed, as the mirror knows it."""
    owner = factories.make_user()
    car = factories.make_car(owner)
    url = checkout.start(
        payer=owner,
        subject_id=car.vehicle.pk,
        lookup_key="premium_monthly_usd",
        currency="usd",
        return_url=run.web,
        cancel_url=run.web,
        still_may=lambda: None,
        now=clock.now(),
    )
    requests.post(url, CARD, timeout=30, allow_redirects=False).raise_for_status()
    soon(lambda: Grant.objects.filter(subject_id=car.vehicle.pk).exists())
    return Subscription.objects.select_related("customer").get(subject_id=car.vehicle.pk)


def _renewed(run: Run, mirrors: list[Subscription], last: int) -> list[Original]:
    """The originals, once all of them are paid; else none."""
    with _stripe(run) as db:
        objects = list(db.execute("SELECT seq, id, kind, body, private FROM objects ORDER BY seq"))
    found = []
    for mirror in mirrors:
        customer = str(mirror.customer and mirror.customer.stripe_customer_id)
        invoices = [row[1] for row in objects if row[2] == "invoice" and customer in row[3]]
        mine = [row for row in objects if any(name in row[3] for name in (customer, *invoices))]
        events = [row[3] for row in mine if row[2] == "event" and row[0] > last]
        if "charge.succeeded" not in {json.loads(event)["type"] for event in events}:
            return []
        grant = Grant.objects.get(subscription=mirror)
        kept = [tuple(row[1:]) for row in mine if row[2] not in ("event", "checkout.session")]
        objects_of = [tuple(map(_template, row)) for row in kept]
        found.append(Original(customer, mirror, grant, [*map(_template, events)], objects_of))
    return found


def _template(text: str) -> str:
    return ID.sub(rf"\g<1>{NUMBER}\g<2>", text)


def _mine(stripe_id: str, number: int) -> str:
    return numbered(_template(stripe_id), number)


def _vehicle() -> Vehicle:
    return Vehicle(
        vin=factories.next_vin(),
        model="model_3",
        hardware="mcu3",
        market="US",
        delivered_on="2025-06-01",
        public_key=secrets.token_urlsafe(32),
    )


def _mirror(
    original: Subscription, number: int, vehicle: Vehicle, customer: Customer
) -> Subscription:
    fields = {f.attname: getattr(original, f.attname) for f in Subscription._meta.fields}  # noqa: SLF001 -- Django's own name for it
    return Subscription(
        **fields
        | {
            "id": None,
            "checkout_id": None,
            "subject_id": vehicle.pk,
            "customer_id": customer.pk,
            "stripe_subscription_id": _mine(original.stripe_subscription_id, number),
            "adopted_at": original.created_at,
        }
    )


def _grant(original: Grant, mirror: Subscription, subject_id: uuid.UUID) -> Grant:
    return Grant(
        subject_id=subject_id,
        plan=original.plan,
        starts_at=original.starts_at,
        ends_at=original.ends_at,
        source=original.source,
        subscription=mirror,
        created_at=original.created_at,
    )


def _copy_at_stripe(run: Run, pairs: list[tuple[int, Original]]) -> None:
    rows = (
        tuple(numbered(part, number) for part in row)
        for number, original in pairs
        for row in original.objects
    )
    with _stripe(run) as db, db:
        db.executemany("INSERT INTO objects (id, kind, body, private) VALUES (?, ?, ?, ?)", rows)


@contextlib.contextmanager
def _stripe(run: Run) -> Iterator[sqlite3.Connection]:
    """Where the sandbox keeps Stripe's objects: its API makes none by the thousand."""
    file = run.data_dir / "sandbox" / "stripe.sqlite3"
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as db:
        yield db


def _control(run: Run, what: str) -> None:
    requests.post(f"{run.sandbox}/sandbox/stripe/{what}", timeout=60).raise_for_status()
