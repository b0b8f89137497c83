"""Mails about Premium itself: that it began, rests, goes on, has ended, was a gift."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from billing import agreements, events
from connectivity.notices.rules.mail import About, Mail, about, page, person

# Each has a mail of its own, which says that the subscription ends.
_SAID = frozenset(
    {
        "seat_vacated",
        "subscription_lost_its_seat",
        "withdrawn",
        "cancelled_now",
        "dispute_lost",
        "account_closing",
    }
)
_UNPAID = frozenset({"past_due", "unpaid", "paused"})


def given(event: Any, now: datetime) -> Iterator[Mail]:
    """The receipt in words: the grant is the moment at which money became Premium."""
    source = event.data.get("source")
    if source == "goodwill":
        yield from _goodwill(event, now)
    if source != "subscription" or "subscription_adopted" in _kinds(event):
        return
    for told in about(event, now):
        terms = told.terms
        yield told.mail(
            "trial_started" if terms.state == "trialing" else "premium_started",
            price=told.price_per_interval,
            paid_through=told.reader.day(terms.paid_through),
            **_agreed(told),
        )


def _agreed(told: About) -> dict[str, Any]:
    """What the payer agreed to, for a mail that they can keep; nothing if we were not there."""
    mine = agreements.of_payer(told.reader.person).filter(subject_id=told.event.subject_id)
    agreed = mine.first()
    if agreed is None:
        return {}
    return {
        "terms": agreed.terms,
        "agreed": told.reader.moment(agreed.at),
        "asked_to_start": agreed.asked_to_start,
        "withdrawable": bool(agreed.words.get("withdrawal")),
        "terms_page": page("law:terms"),
        "cancel_page": page("law:cancel"),
        "withdraw_page": page("law:withdraw"),
    }


def _goodwill(event: Any, now: datetime) -> Iterator[Mail]:
    for told in about(event, now, to=person(event.data.get("owner"))):
        yield told.mail(
            "goodwill",
            begins=told.until(told.fact("from")),
            until=told.reader.day(told.fact("until")),
            paying=told.terms.state in ("active", "trialing", "past_due"),
        )


def paused(event: Any, now: datetime) -> Iterator[Mail]:
    """It rests, by whoever's wish; what is paid stays."""
    for told in about(event, now):
        until = told.until(told.terms.paid_through)
        yield told.mail("premium_paused", until=until, premium=told.premium)


def resumed(event: Any, now: datetime) -> Iterator[Mail]:
    """Only after a pause: what else makes a subscription active is told by another event."""
    if event.data.get("before") != "paused":
        return
    for told in about(event, now):
        yield told.mail(
            "premium_resumed",
            amount=told.price,
            paid_through=told.until(told.terms.paid_through),
            charge=told.until(told.terms.next_charge_at),
        )


def ended(event: Any, now: datetime) -> Iterator[Mail]:
    """It has ended by itself: the scheduled end has come, or payment failed for good."""
    past = events.of_subscription(event.data.get("subscription", ""), event.subject_id)
    kinds = {kind for kind, _ in past}
    stopped_at_once = ("renewal_stopped", "") in [(k, d.get("paid_through")) for k, d in past]
    if kinds & _SAID or stopped_at_once or "grant_given" not in kinds:
        return
    for told in about(event, now):
        yield told.mail(
            "premium_ended",
            unpaid=told.fact("before") in _UNPAID,
            premium=told.premium,
            until=told.until(told.terms.changes_at),
        )


def adopted(event: Any, now: datetime) -> Iterator[Mail]:
    """Staff have told us which car a subscription is for."""
    for told in about(event, now):
        yield told.mail(
            "subscription_adopted",
            price=told.price_per_interval,
            charge=told.until(told.terms.next_charge_at),
        )


def lost_its_seat(event: Any, now: datetime) -> Iterator[Mail]:
    """Paid, but the car had gone to somebody else, or had a subscription already."""
    for told in about(event, now):
        yield told.mail("paid_for_nothing", premium=told.terms.state in ("active", "trialing"))


def _kinds(event: Any) -> set[str]:
    past = events.of_subscription(event.data.get("subscription", ""), event.subject_id)
    return {kind for kind, _ in past}
