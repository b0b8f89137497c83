"""What the garage's pages say: a car as a card, its prices, its features, its refusals.

The sentences for each state are in fleet.lines; nothing is decided here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from billing import checkout, switching
from billing.catalog import Feature, Price, tax_included
from fleet import lines
from fleet.entries import Entry, Hindrance
from fleet.formats import day, moment, money, per_interval
from fleet.models import Vehicle

WRONG_CODE = gettext_lazy(
    "This VIN and this code do not belong together. Compare both with the car's screen; a code "
    "lives for 15 minutes, so ask the car for a new one if yours is older."
)
NOT_SUBSCRIBED = gettext_lazy(
    "There is no running subscription for this car: nothing is charged. "
    "If yours has ended, you can subscribe again."
)
BEING_CONFIRMED = gettext_lazy(
    "Noted. Stripe, which takes the payments, does not answer at the moment: we go on by "
    "ourselves and email you once it is confirmed."
)
RENEWAL_REFUSED = gettext_lazy(
    "Stripe, which takes the payments, has refused this. Nothing was changed; write to support."
)
TAKEN_BACK = gettext_lazy(
    "Your bank has taken back a payment for this subscription, so it ends with the time that is "
    "paid. You can subscribe anew after that."
)
SWITCH_REFUSED = gettext_lazy(
    "This cannot be switched now: it is ending, paused or being charged. Nothing was changed."
)
NOTHING_TO_WITHDRAW_FROM = gettext_lazy(
    "There is no contract for this car that you can withdraw from: that is possible for 14 days "
    "after you subscribe, for cars made for Europe. You can cancel any time."
)
SHOWN_ANEW = gettext_lazy("The amount was shown too long ago. Here it is anew.")
_SWITCHABLE = frozenset({"trialing", "active"})
_AT_STRIPE = frozenset({"trialing", "active", "past_due", "unpaid", "paused", "ending"})
_OWING = frozenset({"past_due", "unpaid"})
_CANCELLABLE = frozenset({"trialing", "active", "past_due", "unpaid"})
_MOVING_BILLING = frozenset({"confirming"})
_MOVING_CAR = frozenset({"queued", "late", "sent", "removing"})
_LAST_POLL = 23
_A_MOMENT = 4


@dataclass(frozen=True, slots=True)
class Card:
    """A car as its owner sees it."""

    entry: Entry
    billing: lines.Line
    car: lines.Line
    state: str
    watched: bool = False

    @property
    def name(self) -> str:
        """The car as people call it."""
        return car_name(self.entry.vehicle)

    @property
    def paid_for(self) -> bool:
        """Whether somebody pays for this car, so that releasing it ends a subscription."""
        return self.state not in ("none", "checkout_open", "ended")

    @property
    def cancellable(self) -> bool:
        """Whether there is a renewal, or a card that is tried again, to put an end to."""
        return self.state in _CANCELLABLE

    @property
    def switchable(self) -> bool:
        """Whether another period can be chosen."""
        return self.state in _SWITCHABLE and self.entry.standing.next_charge_at is not None

    @property
    def other_interval(self) -> str:
        """The period that could be chosen instead."""
        return "year" if self.entry.standing.interval == "month" else "month"

    @property
    def at_stripe(self) -> bool:
        """Whether Stripe's pages have something to show: a card that is charged."""
        return self.state in _AT_STRIPE

    @property
    def owing(self) -> bool:
        """Whether a payment is missing, so that a better card or a payment helps."""
        return self.state in _OWING

    @property
    def pays_first(self) -> bool:
        """Whether paying the open invoice is what helps most: the card as such is in order."""
        return self.state == "unpaid" or self.entry.standing.action_required

    @property
    def moving(self) -> bool:
        """Whether either line is likely to change while somebody looks."""
        return self.watched or self.state in _MOVING_BILLING or self.entry.line.state in _MOVING_CAR


@dataclass(frozen=True, slots=True)
class Poll:
    """When a waiting page asks again: soon at first, then ever slower, for two minutes."""

    number: int

    @property
    def seconds(self) -> int:
        """The pause before the next question."""
        return min(2 + self.number // 3, 10)

    @property
    def next(self) -> int:
        """The number of the next question."""
        return self.number + 1

    @property
    def over(self) -> bool:
        """Whether the page has waited for long enough to say so and stop."""
        return self.number > _LAST_POLL


@dataclass(frozen=True, slots=True)
class Gain:
    """A feature as a list shows it; `name` is a message to translate."""

    icon: str
    name: str


def gains(features: Iterable[Feature]) -> list[Gain]:
    """Return the words for features; one that is newer than this code gets a plain icon."""
    return [Gain(_ICONS.get(feature.code, "sparkle"), feature.name) for feature in features]


# The names in billing/catalog.json, here so that they are found and translated.
FEATURE_NAMES = (
    gettext_noop("Live traffic"),
    gettext_noop("Satellite maps"),
    gettext_noop("Video streaming"),
    gettext_noop("Music streaming"),
    gettext_noop("Karaoke"),
    gettext_noop("Web browser"),
    gettext_noop("Live camera view"),
)


_ICONS = {
    "live_traffic": "traffic",
    "satellite_maps": "satellite",
    "video_streaming": "video",
    "music_streaming": "music",
    "karaoke": "mic",
    "browser": "globe",
    "live_camera": "camera",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """A price as a button names it."""

    lookup_key: str
    amount: str
    interval: str
    label: str
    per: str


def offer(price: Price) -> Offer:
    """Return the words for a price."""
    amount = money(price.unit_amount, price.currency, brief=True)
    label, per = {
        "month": (_("Subscribe for {amount} a month"), _("{amount} a month")),
        "year": (_("Subscribe for {amount} a year"), _("{amount} a year")),
    }[price.interval]
    words = (each.format(amount=amount) for each in (label, per))
    return Offer(price.lookup_key, amount, price.interval, *words)


def poll(number: int) -> Poll:
    """Return the pace after so many questions."""
    return Poll(number)


def car_name(vehicle: Vehicle) -> str:
    """Return the model as people call it; models are open codes such as `model_3`."""
    return model_name(vehicle.model)


def model_name(code: str) -> str:
    """Return a model's code as people call it."""
    return code.replace("_", " ").title()


def card(entry: Entry, *, now: datetime, returned: bool = False, back: Poll | None = None) -> Card:
    """Return the words for a car.

    `returned`: its owner has just come back from paying; `back`: from Stripe's other pages, where
    something may have been changed: a missing payment is waited for, anything else for a moment.
    """
    state = entry.standing.state
    if returned and state == "checkout_open":
        state = "confirming"
    return Card(
        entry=entry,
        billing=lines.billing(entry, state, now),
        car=lines.car(entry.line, now),
        state=state,
        watched=back is not None and (state in _OWING or back.number < _A_MOMENT),
    )


def paid_until(entry: Entry, *, now: datetime) -> str:
    """Return the day until which Premium is paid; empty where no paid time is left."""
    paid = entry.standing.paid_through
    return day(paid) if paid is not None and paid > now else ""


def too_many_tries(retry_at: datetime) -> str:
    """Say when a code may be tried again."""
    return format_html(
        _("Too many wrong codes. For the car's safety, try again after {time}."),
        time=moment(retry_at, now=retry_at),
    )


def seat_refusal(error: Exception) -> str:
    """Say why no payment page was opened."""
    if isinstance(error, checkout.SeatTaken):
        return _(
            "Somebody else is paying for this car at this moment. "
            "Try again in half an hour, or write to support."
        )
    return lines.hindrance(Hindrance.HAS_IT)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a switch means, as its page names it."""

    interval: str
    price: str
    tax_included: bool
    due: str
    credit: str
    tax: str
    charge: str


def terms(quote: switching.Quote) -> Terms:
    """Return the words for what a switch would cost; empty for what there is none of."""

    def some(amount: int) -> str:
        return money(amount, quote.currency) if amount else ""

    return Terms(
        interval=quote.interval,
        price=per_interval(quote.unit_amount, quote.currency, quote.interval),
        tax_included=tax_included(quote.currency),
        due=money(quote.due, quote.currency),
        credit=some(quote.credit),
        tax=some(quote.tax),
        charge=day(quote.next_charge_at),
    )


def instant(at: datetime, *, now: datetime) -> str:
    """Return an instant as people write it."""
    return moment(at, now=now)


def withdrawn(at: datetime) -> str:
    """Acknowledge a withdrawal with its date and time."""
    return format_html(
        _(
            "You have withdrawn from the contract on {day}, {time}. Premium has ended for this "
            "car, and what you have not used goes back to your card. We email you a receipt."
        ),
        day=day(at),
        time=moment(at, now=at),
    )
