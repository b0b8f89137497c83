"""Mails about money: a charge that failed or came after all, a refund, a dispute."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from billing import events
from connectivity.notices.rules.mail import Mail, about

_RUNNING = frozenset({"active", "trialing", "ending", "past_due"})


def failed(event: Any, now: datetime) -> Iterator[Mail]:
    """A charge did not come: what the payer can do, and until when Premium stays.

    If that has ended the subscription, its end is told, and no payment can bring it back. A charge
    that was never tried is one that a pause waits for.
    """
    for told in about(event, now):
        if _ended(event):
            return
        retry = told.until(told.fact("retry_at"))
        template = "payment_failed" if retry else "payment_failed_last"
        if told.fact("action_required"):
            template = "payment_needs_confirmation"
        elif told.fact("attempts") == 0:
            template = "payment_to_resume"
        yield told.mail(
            template,
            amount=told.amount(),
            retry=retry,
            until=told.until(told.fact("access_until") or told.terms.grant_ends_at),
            premium=told.premium,
            pay_url=told.fact("pay_url") or "",
        )


def _ended(event: Any) -> bool:
    past = events.of_subscription(event.data.get("subscription", ""), event.subject_id)
    return any(kind == "subscription_canceled" for kind, _ in past)


def recovered(event: Any, now: datetime) -> Iterator[Mail]:
    """The charge came after all."""
    for told in about(event, now):
        yield told.mail(
            "payment_recovered",
            amount=told.amount(),
            paid_through=told.until(told.terms.paid_through),
        )


def refunded(event: Any, now: datetime) -> Iterator[Mail]:
    """Money goes back; where the subscription runs on, that is said too."""
    for told in about(event, now) if event.data.get("amount") else ():
        running = told.terms.state in _RUNNING
        amount = told.amount() or told.reader.money(told.fact("amount"), "usd")
        yield told.mail("refunded_kept" if running else "refunded", amount=amount)


def refund_failed(event: Any, now: datetime) -> Iterator[Mail]:
    """The bank has sent a refund back: nothing is lost, and a person takes it up."""
    for told in about(event, now):
        yield told.mail("refund_failed", amount=told.amount())


def disputed(event: Any, now: datetime) -> Iterator[Mail]:
    """The bank has taken a payment back, and what came of it."""
    for told in about(event, now):
        running = told.terms.state in _RUNNING
        until = told.fact("access_until") or (told.terms.grant_ends_at if running else None)
        yield told.mail(
            event.kind,
            amount=told.amount(),
            until=told.until(until),
            running=running,
            premium=told.premium,
        )
