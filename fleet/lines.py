"""The two truths about a car, a sentence for each state: what was paid for, what the car has.

It never says "active in your car" before the car has said so, and decides nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.standing import Standing
from fleet import sentences
from fleet.carlines import CarLine
from fleet.entries import FREE_TO_BUY, Entry, Hindrance
from fleet.formats import day, moment, money, taxed
from fleet.sentences import Sentences

SOON = timedelta(days=7)
_CHARGED = frozenset({"trialing", "active"})
_HAS_PAID = frozenset({"trialing", "active", "ending", "past_due", "unpaid", "paused", "ended"})


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
    icon, tone, headline, text = _special(standing, state, now) or sentences.BILLING[state]
    if state in FREE_TO_BUY and entry.hindrance:
        text = hindrance(entry.hindrance)
    values = _values(standing, now)
    said = [format_html(str(each), **values) for each in (headline, text)]
    if standing.refunded and not standing.withdrawn_at and state in _HAS_PAID:
        said[1] = format_html("{} {}", said[1], _refunded(standing))
    return Line(icon, tone, *said)


def _special(standing: Standing, state: str, now: datetime) -> Sentences | None:
    """The sentences of a state in which something else is to be said, or less is known."""
    icon, tone, headline, text = sentences.BILLING[state]
    if state in _CHARGED:
        if standing.disputed:
            return sentences.IN_DISPUTE
        if standing.next_charge_at is None:
            return icon, tone, headline, sentences.UNKNOWN_CHARGE
        if state == "trialing" and standing.next_charge_at - now <= SOON:
            return icon, tone, sentences.TRIAL_ENDS, text
        return icon, tone, headline, _discounted(standing, state) or text
    if state == "past_due":
        headline = sentences.CONFIRMATION if standing.action_required else headline
        return icon, tone, headline, _failed(standing, now) or text
    if state == "unpaid" and standing.open_amount is not None:
        return icon, tone, headline, sentences.UNPAID_AMOUNT
    if state == "ending" and standing.taken_back:
        return icon, "warn", headline, sentences.TAKEN_BACK
    return _ended(standing) if state == "ended" else None


def _ended(standing: Standing) -> Sentences | None:
    """How a subscription ended, where it is known."""
    if standing.withdrawn_at is not None:
        return sentences.WITHDRAWN
    icon, tone, headline, text = sentences.BILLING["ended"]
    if standing.taken_back:
        text = sentences.ENDED_BY_BANK
    return icon, tone, headline if standing.ends_at is None else sentences.ENDED_ON, text


def _refunded(standing: Standing) -> str:
    amount = money(standing.refunded, standing.currency)
    return _("{amount} was paid back to your card.").format(amount=amount)


def _failed(standing: Standing, now: datetime) -> Promise | None:
    access, retried = standing.grant_ends_at, standing.retry_at is not None
    over = access is not None and access <= now
    if standing.action_required:
        return sentences.CONFIRM_AFTER_GRACE if over else sentences.CONFIRM_IT
    if over:
        return sentences.RETRY_AFTER_GRACE if retried else sentences.NO_RETRY_AFTER_GRACE
    if retried:
        return None if standing.open_amount is None else sentences.RETRY_OF
    return sentences.NO_RETRY


def _discounted(standing: Standing, state: str) -> Promise | None:
    if state != "active" or standing.next_amount == standing.unit_amount:
        return None
    return sentences.DISCOUNT_ENDS if standing.discount_ends_at else sentences.DISCOUNT


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
        "amount": taxed(amount, standing.currency) if amount is not None else "",
        "full": money(full, standing.currency) if full is not None else "",
        "due": money(due, standing.currency) if due is not None else "",
        "retry": day(standing.retry_at) if standing.retry_at else "",
        "discount_end": day(standing.discount_ends_at) if standing.discount_ends_at else "",
        "charge": day(charge) if charge else "",
        "card": card,
        "left": ngettext("{count} day left", "{count} days left", left).format(count=left),
        "access": day(standing.grant_ends_at) if standing.grant_ends_at else "",
        "end": day(end) if end else "",
        "withdrawn": day(standing.withdrawn_at) if standing.withdrawn_at else "",
    }


def car(line: CarLine, now: datetime) -> Line:
    """Say what the car itself is known to have."""
    since = moment(line.since, now=now) if line.since else ""
    heard = moment(line.last_contact_at, now=now) if line.last_contact_at else ""
    words = {"since": since, "heard": heard, "reference": line.reference}
    icon, tone, headline, text = sentences.CAR[line.state]
    if line.state == "sent" and heard:
        text = sentences.SENT_HEARD
    elif line.state == "asleep" and not heard:
        headline = sentences.NEVER_HEARD
    return Line(icon, tone, format_html(str(headline), **words), format_html(str(text), **words))
