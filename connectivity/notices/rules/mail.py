"""What the rules share: a mail, and the facts of an event in the words of its reader.

It decides nothing, and must never fail for a fact that an event lacks: it is left out then.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from billing import standing
from connectivity.notices import outbox
from fleet.formats import money, per_interval, taxed, written_day
from fleet.models import Vehicle
from fleet.words import car_name


@dataclass(frozen=True, slots=True)
class Mail:
    """A template for a person, with what it needs to know.

    Who is known by an address alone has that, and the language in which it is written.
    """

    template: str
    to: Any
    context: dict[str, Any]
    address: str = ""
    reads: str = ""


Rule = Callable[[Any, datetime], Iterator[Mail]]


@dataclass(frozen=True, slots=True)
class Reader:
    """A person, and how days, instants and amounts are written for them; unknown ones are empty."""

    person: Any

    def day(self, instant: datetime | str | None) -> str:
        """The date."""
        found = at(instant)
        with translation.override(outbox.language(self.person)):
            return written_day(found) if found else ""

    def moment(self, instant: datetime | str | None) -> str:
        """Date and time with its zone, as a receipt has it."""
        found = at(instant)
        return f"{self.day(found)}, {found.astimezone(UTC):%H:%M} UTC" if found else ""

    def money(self, amount: int | None, currency: str) -> str:
        """An amount in the currency's minor unit."""
        with translation.override(outbox.language(self.person)):
            return money(amount, currency) if amount is not None and currency else ""

    def price(self, amount: int | None, currency: str, interval: str = "") -> str:
        """What is charged each time, or per period, and whether the tax is in it."""
        if amount is None or not currency:
            return ""
        with translation.override(outbox.language(self.person)):
            if interval:
                return per_interval(amount, currency, interval)
            return taxed(amount, currency)

    def car(self, vehicle_id: UUID | None) -> dict[str, str]:
        """The car's name, and where its page is."""
        found = Vehicle.objects.filter(id=vehicle_id).first() if vehicle_id else None
        if found is None:
            with translation.override(outbox.language(self.person)):
                return {"car": _("car"), "page": page()}
        return {"car": car_name(found), "page": page("garage:car", found.id)}


def vin_ending(vehicle_id: UUID | None) -> str:
    """What tells a car from others of its model, as far as it may stand in a mail."""
    vins = Vehicle.objects.filter(id=vehicle_id) if vehicle_id else Vehicle.objects.none()
    return (vins.values_list("vin", flat=True).first() or "")[-6:]


@dataclass(frozen=True, slots=True)
class About:
    """An event, the payer who is told of it, and how the car stands with them by now."""

    event: Any
    reader: Reader
    terms: standing.Standing
    now: datetime

    def fact(self, name: str) -> Any:
        """What the event says; None where it does not."""
        return self.event.data.get(name)

    def amount(self, name: str = "amount") -> str:
        """An amount that the event names, in its own currency or else the subscription's."""
        return self.reader.money(self.fact(name), self.fact("currency") or self.terms.currency)

    @property
    def price(self) -> str:
        """What a period costs, as it is named where the period is."""
        return self.reader.price(self.terms.unit_amount, self.terms.currency)

    @property
    def price_per_interval(self) -> str:
        """What it costs, and for how long."""
        terms = self.terms
        return self.reader.price(terms.unit_amount, terms.currency, terms.interval)

    def until(self, instant: datetime | str | None) -> str:
        """The day of an instant that is still to come; empty for one that has passed."""
        found = at(instant)
        return self.reader.day(found) if found and found > self.now else ""

    @property
    def premium(self) -> bool:
        """Whether the car may have Premium now, whoever gave it."""
        return self.terms.plan != "standard"

    def mail(self, template: str, **context: Any) -> Mail:
        """A mail to the payer about the car."""
        car = self.reader.car(self.event.subject_id)
        return Mail(template, self.reader.person, {**car, **context})


def about(event: Any, now: datetime, *, to: Any = None) -> Iterator[About]:
    """The one thing to speak of, or none: nobody pays, so nobody is told. `to`: if not the payer.

    An iterator, so that a rule is a loop over what there is to tell.
    """
    person = to or event.payer
    if person is not None:
        found = standing.Standing("standard", "", None, "none")
        if event.subject_id is not None:
            found = standing.standing(event.subject_id, payer=person, now=now)
        yield About(event, Reader(person), found, now)


def at(instant: datetime | str | None) -> datetime | None:
    """An instant from an event's data, where it is ISO 8601 or empty."""
    return (
        datetime.fromisoformat(instant) if isinstance(instant, str) and instant else instant or None
    )


def person(user_id: str | None) -> Any:
    """The person with this id, if there is one."""
    return get_user_model().objects.filter(pk=user_id).first() if user_id else None


def page(name: str = "garage:list", *args: Any) -> str:
    """The address of a page, for a reader who is not on the site."""
    return f"{settings.WEB_URL}{reverse(name, args=args, urlconf='connectivity.urls')}"
