"""What a subscription's state and money mean: what the car gets, until when, what is said.

Pure: it must never read a row, the clock or Stripe. docs/policy.md shows POLICY to people; a test
holds the two together.

# Note [The grant follows money]
Stripe moves the period and says "active" about an hour before it charges, and goes on saying
"past due" for weeks. So a grant lasts as long as somebody has paid, or was promised a trial; the
status only says whether seven days of grace follow.

# Note [Time that was taken back]
When a plan is changed, Stripe credits the rest of the old time on the invoice of the new: a line
with a negative amount. Such time is not paid any more, even if it reaches further than the new. The
same holds for what a pause gives back, which waits for the next invoice, or on one that is to be
paid before the pause ends.

# Note [Time that was put off]
When the next charge is put off (days that were added, a change at the paid end), Stripe calls all
of the time until then a trial, and invoices it for nothing. It stands on the payment that was the
last before it; with that payment gone for good, it is nobody's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from billing.gateway import Invoice, Line, Subscription

GRACE = timedelta(days=7)
Interval = tuple[datetime, datetime]


class Until(StrEnum):
    """How long a subscription's grant lasts; the values are the words of docs/policy.md."""

    GRACE = "the end of what was paid, and 7 days of grace"
    PAID = "the end of what was paid"
    ENDED = "its end, or the end of what was paid, whichever comes first"
    NOW = "now"
    UNCHANGED = "as before"
    NEVER = "nothing was paid, so there is nothing to give"


@dataclass(frozen=True, slots=True)
class Rule:
    """A case in words, until when the car keeps Premium in it, and what its owner is told."""

    case: str
    until: Until
    told: str


# By Stripe's word for the status of a subscription.
STATUSES = {
    "trialing": Rule(
        "The trial runs, or free time was added to a paid period",
        Until.GRACE,
        "First charge, its date and amount; a mail a week ahead",
    ),
    "active": Rule("It is paid and renews", Until.GRACE, "Next charge, its date and amount"),
    "past_due": Rule(
        "A renewal was declined and is tried again",
        Until.GRACE,
        "Payment failed: when it is tried again, until when Premium stays, how to pay",
    ),
    "unpaid": Rule(
        "All tries failed; the invoice stays open",
        Until.PAID,
        "Paused: a payment is missing; paying the open invoice switches Premium back on",
    ),
    "paused": Rule("It is paused", Until.PAID, "Paused: nothing is charged meanwhile"),
    "incomplete": Rule("Its first payment has not come yet", Until.NEVER, "Confirming"),
    "incomplete_expired": Rule("Its first payment never came", Until.NEVER, "Ended"),
    "canceled": Rule("It has ended", Until.ENDED, "Ended; subscribe again any time"),
}
UNKNOWN = Rule("Stripe says a word that we do not know", Until.PAID, "What is known of the money")

# What overrules the status, the first that applies first.
WITHDRAWN = Rule(
    "Withdrawn within 14 days, cancelled at once by staff, the car sold or out of service",
    Until.NOW,
    "Ended; what was not used is on its way back to the card",
)
DISPUTE_LOST = Rule(
    "A bank took a payment back for good (dispute lost)",
    Until.NOW,
    "Premium has ended; time that other payments pay for stays; nothing is charged again",
)
DISPUTED = Rule(
    "A bank holds a payment back (dispute open)",
    Until.PAID,
    "Premium stays until the end of what was paid; what to do if it was a mistake",
)
ENDING = Rule(
    "An end is scheduled, by the owner, the portal or staff",
    Until.PAID,
    "Ends on that day; nothing more is charged; it can be undone until then",
)
REFUNDED = Rule(
    "A payment was refunded, and nothing was cancelled",
    Until.UNCHANGED,
    "The refund and its amount; Premium stays on",
)
DISPUTE_WON = Rule("A dispute was won, or was a question only", Until.UNCHANGED, "It is settled")
POLICY = (
    WITHDRAWN,
    DISPUTE_LOST,
    DISPUTED,
    ENDING,
    *STATUSES.values(),
    UNKNOWN,
    REFUNDED,
    DISPUTE_WON,
)


@dataclass(frozen=True, slots=True)
class Money:
    """What else is known of the payments: ids of invoices whose payment a bank holds, or took.

    `also` holds the ends of the time of invoices that were paid after the subscription was fetched.
    """

    disputed: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    also: tuple[datetime, ...] = ()


UNDISPUTED = Money()


def rule(status: str, *, ending: bool, disputed: bool) -> Rule:
    """The rule that holds for a subscription which nobody has ended by force."""
    found = STATUSES.get(status, UNKNOWN)
    if found.until is not Until.GRACE:
        return found
    return DISPUTED if disputed else ENDING if ending else found


def paid_through(subscription: Subscription, money: Money = UNDISPUTED) -> datetime | None:
    """Until when somebody has paid, or was promised a trial; None if nobody ever did."""
    paid = [
        invoice
        for invoice in subscription.invoices
        if invoice.status == "paid"
        and invoice.id not in money.lost
        and not (_is_free(invoice) and _stands_on_lost(invoice.paid_through, subscription, money))
    ]
    ends = [*_covered(paid, given_back(subscription)), *money.also]
    trial = subscription.trial_ends_at
    if trial and not _stands_on_lost(trial, subscription, money):
        ends.append(trial)
    return max(ends, default=None)


def grant_ends_at(subscription: Subscription, money: Money = UNDISPUTED) -> datetime | None:
    """When the subscription's grant ends; None if it yields none. See Note [The grant …]."""
    return ends_at(
        subscription.status,
        paid=paid_through(subscription, money),
        ending=subscription.cancel_at is not None,
        # A lost one stops the renewal: there is nothing that grace could wait for.
        disputed=any(
            invoice.id in money.disputed | money.lost for invoice in subscription.invoices
        ),
        ended_at=subscription.ended_at,
    )


def ends_at(
    status: str,
    *,
    paid: datetime | None,
    ending: bool,
    disputed: bool,
    ended_at: datetime | None = None,
) -> datetime | None:
    """When a grant ends that is paid until `paid`; None if nothing was paid."""
    if paid is None:
        return None
    until = rule(status, ending=ending, disputed=disputed).until
    if until is Until.GRACE:
        return paid + GRACE
    return min(paid, ended_at or paid)


def _covered(invoices: Iterable[Invoice], credited: Iterable[Line]) -> list[datetime]:
    """The ends of the times that are paid; see Note [Time that was taken back]."""
    covered: list[Interval] = []
    for invoice in sorted(invoices, key=lambda invoice: (invoice.created_at, invoice.id)):
        for line in invoice.lines:
            if line.amount < 0:
                covered = _without(covered, (line.starts_at, line.ends_at))
        covered += [(line.starts_at, line.ends_at) for line in invoice.lines if line.amount >= 0]
    for line in credited:
        covered = _without(covered, (line.starts_at, line.ends_at))
    return [end for _, end in covered]


def given_back(subscription: Subscription) -> list[Line]:
    """The time that a pause took back and that no payment has used yet."""
    waiting = [
        line
        for invoice in subscription.invoices
        for line in invoice.lines
        if subscription.status == "paused" and invoice.status == "open" and line.amount < 0
    ]
    return [*subscription.credited, *waiting]


def _is_free(invoice: Invoice) -> bool:
    return not any(line.amount for line in invoice.lines)


def _stands_on_lost(end: datetime | None, subscription: Subscription, money: Money) -> bool:
    """Whether free time until `end` follows a lost payment; see Note [Time that was put off]."""
    charged = [
        (line.starts_at, invoice.created_at, invoice.id)
        for invoice in subscription.invoices
        for line in invoice.lines
        if invoice.status == "paid" and line.amount > 0 and end and line.starts_at < end
    ]
    return bool(charged) and max(charged)[2] in money.lost


def _without(covered: list[Interval], taken: Interval) -> list[Interval]:
    left = []
    for start, end in covered:
        pieces = ((start, min(end, taken[0])), (max(start, taken[1]), end))
        left += [(begin, until) for begin, until in pieces if begin < until]
    return left
