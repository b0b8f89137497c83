"""Mails about what a payer and we have agreed: renewal, price, period, its end, the next charge."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from billing import queries
from connectivity.notices.rules.mail import About, Mail, about, at, page, vin_ending


def renewal_changed(event: Any, now: datetime) -> Iterator[Mail]:
    """The payer has stopped the renewal, or wants it again.

    Where nothing is paid any more, and the card is still tried, `payment_failed` tells how it is;
    where it follows from another event, that one does.
    """
    for told in about(event, now) if not event.data.get("because") else ():
        paid = at(told.fact("paid_through"))
        if paid is not None and paid < event.at:
            return
        yield told.mail(
            "cancel_scheduled" if event.kind == "renewal_stopped" else "renewal_resumed",
            amount=told.price,
            paid_through=told.reader.day(told.fact("paid_through")),
            received=told.reader.moment(event.at),
        )


def switched(event: Any, now: datetime) -> Iterator[Mail]:
    """Another period from now on: what was charged for it, and when the next charge is."""
    for told in about(event, now):
        yield told.mail(
            "switched",
            charged=told.amount() if told.fact("amount") else "",
            nothing=told.fact("amount") == 0,
            charge=told.until(told.terms.next_charge_at),
            **_new_price(told),
        )


def switch_scheduled(event: Any, now: datetime) -> Iterator[Mail]:
    """Another period from the end of the paid one."""
    for told in about(event, now):
        day = told.reader.day(told.fact("at") or told.terms.paid_through)
        yield told.mail("switch_scheduled", at=day, **_new_price(told))


def extended(event: Any, now: datetime) -> Iterator[Mail]:
    """The paid period ends later, at no cost."""
    for told in about(event, now):
        yield told.mail(
            "extended",
            days=int(told.fact("days") or 0),
            until=told.reader.day(told.fact("until") or told.terms.paid_through),
            amount=told.price,
            renews=told.terms.next_charge_at is not None,
        )


def withdrawn(event: Any, now: datetime) -> Iterator[Mail]:
    """The receipt that the law asks for: what was declared, when to the minute, what comes back."""
    for told in about(event, now):
        yield told.mail(
            "withdrawn",
            at=told.reader.moment(event.at),
            subscription=told.fact("subscription") or "",
            vin=vin_ending(event.subject_id),
            amount=told.amount() if told.fact("amount") else "",
        )


def cancelled_now(event: Any, now: datetime) -> Iterator[Mail]:
    """Support has ended it; the reason that staff wrote down is for staff."""
    for told in about(event, now):
        yield told.mail(
            "cancelled_now",
            at=told.reader.moment(event.at),
            refund=told.fact("refund") or "none",
            amount=told.amount() if told.fact("amount") else "",
            premium=told.premium,
        )


def charge_ahead(event: Any, now: datetime) -> Iterator[Mail]:
    """A charge is to come, in time to cancel; whoever has cancelled meanwhile is left in peace."""
    for told in about(event, now):
        if told.terms.next_charge_at is None:
            return
        yield told.mail(
            event.kind,
            price=_charge(told),
            charge=told.reader.day(told.fact("charge_at") or told.terms.next_charge_at),
            card=_card(told),
            cancel=page("garage:cancel", event.subject_id),
        )


def _new_price(told: About) -> dict[str, str]:
    """What a period will cost; the price is named by its lookup key, or by its interval."""
    wanted, terms = str(told.fact("to") or ""), told.terms
    price = queries.catalog().prices.get(wanted)
    if price is None:
        known = wanted or terms.interval
        return {"price": told.reader.price(terms.unit_amount, terms.currency, known)}
    return {"price": told.reader.price(price.unit_amount, price.currency, price.interval)}


def _charge(told: About) -> str:
    """What the event says that is charged; where it does not, what a period costs."""
    amount, terms = told.fact("amount"), told.terms
    return told.reader.price(
        terms.unit_amount if amount is None else amount,
        told.fact("currency") or terms.currency,
        told.fact("interval") or terms.interval,
    )


def _card(told: About) -> str:
    last4 = told.terms.card_last4
    return f"{told.terms.card_brand.title()} •{last4}".strip() if last4 else ""
