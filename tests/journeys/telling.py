"""Tells what has become of the world since it was last asked, in words that a test can state.

It only reads, and it must never decide whether what it tells is right.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.core import mail

from billing.models import DomainEvent as BillingEvent
from billing.models import Grant
from connectivity.notices.models import Notice
from fleet.models import DomainEvent as FleetEvent
from tests.factories import Car, body
from tests.journeys.world import World

SIGNS = {"usd": "$", "eur": "€", "cad": "CA$"}
JOURNALS = ((BillingEvent, "subject_id"), (FleetEvent, "vehicle_id"))


def at(text: str) -> datetime:
    """An instant in UTC, as people write it: `2027-03-01 09:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _short(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    return str(value)


@dataclass(frozen=True)
class Fact:
    """A domain event: its kind, and of its data what is of interest."""

    kind: str
    data: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        """As it is shown when it is not what was stated."""
        return f"{self.kind}({', '.join(f'{k}={v}' for k, v in sorted(self.data.items()))})"

    def only(self, names: Sequence[str]) -> "Fact":
        """The same with these data alone."""
        return Fact(self.kind, {name: self.data.get(name, "(none)") for name in names})


def fact(kind: str, of: Car | None = None, **data: Any) -> Fact:
    """State a domain event with chosen data (instants as such); `of` names the car."""
    told = {k: v.isoformat() if isinstance(v, datetime) else v for k, v in data.items()}
    return Fact(kind, {**told, "of": str(of.vehicle.id)} if of else told)


@dataclass(frozen=True)
class Given:
    """A grant of a car."""

    source: str
    starts: datetime
    ends: datetime | None

    def __str__(self) -> str:
        """As it is shown when it is not what was stated."""
        return f"{self.source}: {_short(self.starts)} to {_short(self.ends)}"


@dataclass(frozen=True)
class Says:
    """What a car is told: its verdict."""

    plan: str
    reason: str
    until: datetime | None

    def __str__(self) -> str:
        """As it is shown when it is not what was stated."""
        return f"{self.plan} by {self.reason} until {_short(self.until)}"


STANDARD = Says("standard", "none", None)
REFUSED = Says("nothing", "a refusal", None)  # Its key and its token are of no use.


def premium(until: datetime | None, reason: str = "subscription") -> Says:
    """State that the car has Premium."""
    return Says("premium", reason, until)


@dataclass(frozen=True)
class News:
    """What has happened since the last time, each in its order."""

    events: list[Fact]
    mails: list[str]
    charges: list[str]
    refunds: list[str]
    errors: list[str]


class Teller(logging.Handler):
    """Reads the journals from where it stopped the last time, and hears what is logged as wrong."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world
        self._errors: list[str] = []
        self._read: dict[str, int] = {}
        self._letters = len(mail.outbox)
        self.news()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an error that was logged: its event, and the last words of its traceback."""
        said: Any = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        why = str(said.get("exception") or said.get("error") or "").strip().rpartition("\n")[2]
        self._errors.append(f"{said['event']}: {why}" if why else str(said["event"]))

    def news(self) -> News:
        """What has happened since the last time."""
        errors, self._errors = self._errors, []
        return News(
            events=self._facts(),
            mails=self._mails(),
            charges=[_charge(body) for body in self._objects("charge")],
            refunds=[_money(body) for body in self._objects("refund")],
            errors=errors,
        )

    def grants(self, car: Car) -> list[Given]:
        """All grants of a car, past ones too."""
        rows = Grant.objects.filter(subject_id=car.vehicle.id).order_by("starts_at", "id")
        return [Given(row.source, row.starts_at, row.ends_at) for row in rows]

    def verdict(self, car: Car) -> Says:
        """What the car is told now, whatever it holds."""
        if car.sign_in().status_code == 400 and car.check().status_code == 401:
            return REFUSED
        held, car.etag = car.etag, ""
        answer = car.check()
        car.etag = held
        assert answer.status_code == 200, f"The check answers {answer.status_code}"
        told = body(answer)
        until = told["valid_until"]
        return Says(told["plan"], told["reason"], datetime.fromisoformat(until) if until else None)

    def _facts(self) -> list[Fact]:
        """Billing's and the fleet's in one order: by time, billing's first."""
        told = []
        for order, (model, name) in enumerate(JOURNALS):
            for row in self._fresh(model):
                each = Fact(row.kind, {**row.data, "of": str(getattr(row, name))})
                told.append((row.at, order, row.pk, each))
        return [each for *_, each in sorted(told, key=lambda one: one[:3])]

    def _mails(self) -> list[str]:
        """By template and reader; a mail that no notice tells of is named by its subject."""
        notices = [row for row in self._fresh(Notice) if row.sent_at is not None]
        letters = mail.outbox[self._letters :]
        self._letters = len(mail.outbox)
        told = [f"{row.template} to {_reader(row)}" for row in notices]
        if len(letters) != len(notices):
            told += [f"letter: {letter.subject}" for letter in letters]
        return told

    def _fresh(self, model: Any) -> list[Any]:
        """The rows that are new since the last time, the oldest first."""
        rows = list(
            model.objects.filter(pk__gt=self._read.get(model._meta.label, 0)).order_by("pk")
        )
        if rows:
            self._read[model._meta.label] = rows[-1].pk
        return rows

    def _objects(self, kind: str) -> list[dict[str, Any]]:
        """The sandbox's objects of a kind that are new since the last time, the oldest first."""
        found, self._read[kind] = self._world.made(kind, self._read.get(kind, 0))
        return found


def _reader(notice: Notice) -> str:
    """Whom it was sent to, if that is known still."""
    name, _, domain = notice.recipient.partition("@")
    return "somebody forgotten" if domain == "closed.invalid" else name


def _money(body: dict[str, Any]) -> str:
    sign = SIGNS.get(body["currency"], f"{body['currency']} ")
    return f"{sign}{body['amount'] / 100:.2f}"


def _charge(body: dict[str, Any]) -> str:
    return _money(body) if body["paid"] else f"{_money(body)} declined"
