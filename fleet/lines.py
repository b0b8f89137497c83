"""The two truths about a car, a sentence for each state: what was paid for, what the car has.

It never says "active in your car" before the car has said so, and decides nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from billing.standing import Standing
from fleet.carlines import CarLine
from fleet.entries import FREE_TO_BUY, Entry, Hindrance
from fleet.formats import day, moment, money

# Icon, tone, headline and text of a state.
_Sentences = tuple[str, str, Promise | str, Promise | str]


@dataclass(frozen=True, slots=True)
class Line:
    """One truth: an icon and a tone that underline it, and the words that say it."""

    icon: str
    tone: str
    headline: str
    text: str = ""


def billing(entry: Entry, state: str, now: datetime) -> Line:
    """Say what was paid for, or who else gave it."""
    standing = entry.standing
    if state in ("none", "ended") and standing.plan != "standard":
        return _given(standing)
    icon, tone, headline, text = _BILLING[state]
    if state in FREE_TO_BUY and entry.hindrance:
        text = hindrance(entry.hindrance)
    text = _special(standing, state, now) or text
    values = _values(standing, now)
    return Line(icon, tone, format_html(str(headline), **values), format_html(str(text), **values))


def _special(standing: Standing, state: str, now: datetime) -> Promise | None:
    """The sentence of a state in which something more is to be said, or less is known."""
    if state in _CHARGED:
        if standing.next_charge_at is None:
            return _UNKNOWN_CHARGE
        return _DISPUTED if standing.disputed else _discounted(standing, state)
    if state == "past_due":
        return _failed(standing, now)
    return _UNPAID_AMOUNT if state == "unpaid" and standing.open_amount is not None else None


def _failed(standing: Standing, now: datetime) -> Promise | None:
    access, retried = standing.grant_ends_at, standing.retry_at is not None
    if access is not None and access <= now:
        return _RETRY_AFTER_GRACE if retried else _NO_RETRY_AFTER_GRACE
    return None if retried else _NO_RETRY


def _discounted(standing: Standing, state: str) -> Promise | None:
    if state != "active" or standing.next_amount == standing.unit_amount:
        return None
    return _DISCOUNT_ENDS if standing.discount_ends_at else _DISCOUNT


def hindrance(found: Hindrance) -> str:
    """Say why Premium cannot be bought."""
    return {
        Hindrance.NO_MODEM: _(
            "This car has no modem of its own, so it cannot take Premium. "
            "Everything that works over Wi-Fi and your phone goes on working."
        ),
        Hindrance.REMOVED: _("This car has been taken out of service."),
        Hindrance.LIFETIME: _("Premium came with this car for life. There is nothing to buy."),
        Hindrance.HAS_IT: _("This car has a subscription already. You were not charged again."),
    }[found]


def _given(standing: Standing) -> Line:
    """Premium that no subscription pays for."""
    if standing.changes_at is None:
        return Line("star", "good", _("Premium for life"), _("It came with this car and stays."))
    until = day(standing.changes_at)
    if standing.reason == "trial":
        text = _("Your free trial ends then by itself; you are charged nothing.")
        return Line("gift", "good", format_html(_("Trial until {day}"), day=until), text)
    return Line("gift", "good", format_html(_("Free until {day}"), day=until), _("No card needed."))


def _values(standing: Standing, now: datetime) -> dict[str, str]:
    """What the sentences of billing speak of; empty where it is not known."""
    charge, end = standing.next_charge_at, standing.ends_at or standing.paid_through
    left = max(0, (charge - now).days) if charge else 0
    card = f", {standing.card_brand.title()} •{standing.card_last4}" if standing.card_last4 else ""
    amount, full, due = standing.next_amount, standing.unit_amount, standing.open_amount
    return {
        "amount": money(amount, standing.currency) if amount is not None else "",
        "full": money(full, standing.currency) if full is not None else "",
        "due": money(due, standing.currency) if due is not None else "",
        "retry": day(standing.retry_at) if standing.retry_at else "",
        "discount_end": day(standing.discount_ends_at) if standing.discount_ends_at else "",
        "charge": day(charge) if charge else "",
        "card": card,
        "left": ngettext("{count} day left", "{count} days left", left).format(count=left),
        "access": day(standing.grant_ends_at) if standing.grant_ends_at else "",
        "end": day(end) if end else "",
    }


_CHARGED = frozenset({"trialing", "active"})
_UNKNOWN_CHARGE = gettext_lazy("The next charge is not known yet; look again in a minute.")
_DISCOUNT = gettext_lazy("Next charge {amount} plus tax on {charge}{card}, instead of {full}.")
_DISCOUNT_ENDS = gettext_lazy(
    "Next charge {amount} plus tax on {charge}{card}, instead of {full}. "
    "The discount lasts until {discount_end}."
)
_DISPUTED = gettext_lazy(
    "Your bank holds a payment back at your request. Premium stays on until the end of what was "
    "paid. If that was a mistake, tell your bank."
)
_NO_RETRY = gettext_lazy("Premium stays on until {access}. Update your card, or pay the invoice.")
_RETRY_AFTER_GRACE = gettext_lazy(
    "What was paid ended on {access}. We try the card again on {retry}; a payment switches "
    "Premium back on."
)
_NO_RETRY_AFTER_GRACE = gettext_lazy(
    "What was paid ended on {access}. Update your card, or pay the invoice, to switch Premium "
    "back on."
)
_UNPAID_AMOUNT = gettext_lazy("Pay the open invoice of {due} to switch Premium back on.")
_BILLING: dict[str, _Sentences] = {
    "none": (
        "signal",
        "calm",
        gettext_lazy("Standard Connectivity"),
        gettext_lazy(
            "Premium adds live traffic, satellite maps and streaming over cellular. "
            "Cancel any time."
        ),
    ),
    "checkout_open": (
        "card",
        "wait",
        gettext_lazy("Payment page opened"),
        gettext_lazy("You have not been charged. Continue, or start again."),
    ),
    "confirming": (
        "clock",
        "wait",
        gettext_lazy("Confirming your payment…"),
        gettext_lazy("Usually a few seconds. You can close this page: we email you."),
    ),
    "trialing": (
        "gift",
        "good",
        gettext_lazy("Trial: {left}"),
        gettext_lazy(
            "First charge {amount} plus tax on {charge}{card}. "
            "Cancel before then and you pay nothing."
        ),
    ),
    "active": (
        "check",
        "good",
        gettext_lazy("Active"),
        gettext_lazy("Next charge {amount} plus tax on {charge}{card}."),
    ),
    "past_due": (
        "alert",
        "warn",
        gettext_lazy("Payment failed"),
        gettext_lazy("We try the card again on {retry}. Premium stays on until {access}."),
    ),
    "unpaid": (
        "pause",
        "warn",
        gettext_lazy("Paused: a payment is missing"),
        gettext_lazy("Pay the open invoice to switch Premium back on."),
    ),
    "paused": (
        "pause",
        "warn",
        gettext_lazy("Paused"),
        gettext_lazy("Nothing is charged while it is paused. Resume it on Stripe's page."),
    ),
    "ending": (
        "clock",
        "calm",
        gettext_lazy("Ends on {end}"),
        gettext_lazy("You keep Premium until then. No more charges."),
    ),
    "ended": (
        "signal",
        "calm",
        gettext_lazy("Your subscription has ended"),
        gettext_lazy("You are no longer charged. Subscribe again any time."),
    ),
}


def car(line: CarLine, now: datetime) -> Line:
    """Say what the car itself is known to have."""
    since = moment(line.since, now=now) if line.since else ""
    heard = moment(line.last_contact_at, now=now) if line.last_contact_at else ""
    words = {"since": since, "heard": heard, "reference": line.reference}
    icon, tone, headline, text = _CAR[line.state]
    if line.state == "sent" and heard:
        text = _SENT_HEARD
    elif line.state == "asleep" and not heard:
        headline = _NEVER_HEARD
    return Line(icon, tone, format_html(str(headline), **words), format_html(str(text), **words))


_SENT_HEARD = gettext_lazy(
    "Your car picks it up when it is awake and has signal. Last report from your car: {heard}."
)
_NEVER_HEARD = gettext_lazy("Your car has not been online yet")
_CAR: dict[str, _Sentences] = {
    "none": ("car", "calm", gettext_lazy("Your car runs on Standard"), ""),
    "queued": (
        "upload",
        "wait",
        gettext_lazy("Waiting to send to your car"),
        gettext_lazy("This takes a second or two."),
    ),
    "late": (
        "upload",
        "wait",
        gettext_lazy("Waiting to send to your car"),
        gettext_lazy(
            "This takes longer than usual, and the fault is ours. It goes on by itself; you keep "
            "what you have paid for."
        ),
    ),
    "unconfirmed": (
        "upload",
        "wait",
        gettext_lazy("Your car was told, and has not confirmed it yet"),
        gettext_lazy(
            "Last heard of: {heard}. We tell it again by ourselves. If it stays so, restart the "
            "car's screen, and then give support this reference: {reference}."
        ),
    ),
    "sent": (
        "upload",
        "wait",
        gettext_lazy("Sent to your car"),
        gettext_lazy("Your car picks it up when it is awake and has signal."),
    ),
    "active": ("check", "good", gettext_lazy("Active in your car since {since}"), ""),
    "asleep": (
        "moon",
        "wait",
        gettext_lazy("We have not heard from your car since {heard}"),
        gettext_lazy("Park it with signal or Wi-Fi: it activates by itself."),
    ),
    "failed": (
        "alert",
        "warn",
        gettext_lazy("We could not switch it on in your car"),
        gettext_lazy("We keep trying. If it stays so, give support this reference: {reference}."),
    ),
    "given_up": (
        "alert",
        "warn",
        gettext_lazy("We could not switch it on in your car"),
        gettext_lazy(
            "We tried for two weeks. Restart the car's screen, and give support this reference: "
            "{reference}."
        ),
    ),
    "removing": (
        "upload",
        "wait",
        gettext_lazy("Being switched off in your car"),
        gettext_lazy("Your car drops it when it is next awake."),
    ),
    "removed": ("car", "calm", gettext_lazy("Switched off in your car on {since}"), ""),
}
