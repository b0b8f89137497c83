"""What must be so after all journeys, however many processes died; it lists what is not.

Stripe's side is read where the sandbox keeps it, not through the product.
"""

import collections
import contextlib
import json
import sqlite3
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from billing.models import (
    Checkout,
    DomainEvent,
    Grant,
    Intent,
    Seat,
    StripeEvent,
    Subscription,
)
from connectivity.notices.models import Notice
from tests.nightly.stories import Journey

PRICE = 1000
MOST_MAILS = 2000  # The mailbox keeps no more.
# What an act writes down, each time once.
EVENTS = {
    "buy": ("checkout_started", "subscription_active", "grant_given"),
    "renew": (),
    "cancel": ("renewal_stopped",),
    "keep": ("renewal_resumed",),
    "release": ("seat_vacated", "refunded"),
}
MAILS = {
    "buy": ("premium_started",),
    "renew": (),
    "cancel": ("cancel_scheduled",),
    "keep": ("renewal_resumed",),
    "release": ("vehicle_released", "refunded"),
}


class Account:
    """All that the sandbox's Stripe holds, by kind."""

    def __init__(self, file: Path) -> None:
        with contextlib.closing(sqlite3.connect(file, timeout=30)) as db:
            rows = db.execute("SELECT kind, body FROM objects WHERE deleted = 0 ORDER BY seq")
            self._objects: dict[str, list[Any]] = collections.defaultdict(list)
            for kind, body in rows:
                self._objects[kind].append(json.loads(body))
            self.taken = {
                event
                for (event,) in db.execute("SELECT event FROM deliveries WHERE state = 'delivered'")
            }
            self.pending = db.execute(
                "SELECT count(*) FROM deliveries WHERE state != 'delivered'"
            ).fetchone()[0]
        self.events = [event["id"] for event in self._objects["event"]]
        self._payments = {
            payment["payment"]["payment_intent"]: payment["invoice"]
            for payment in self._objects["invoice_payment"]
        }
        self._invoices = {invoice["id"]: invoice for invoice in self._objects["invoice"]}

    def subscriptions(self) -> dict[uuid.UUID, list[Any]]:
        """The subscriptions of each page of ours that made one."""
        of = {
            session["subscription"]: uuid.UUID(session["client_reference_id"])
            for session in self._objects["checkout.session"]
            if session["subscription"]
        }
        found = collections.defaultdict(list)
        for subscription in self._objects["subscription"]:
            found[of[subscription["id"]]].append(subscription)
        return found

    def charged(self) -> dict[str, list[int]]:
        """What each subscription's card was charged, each time."""
        return self._moved("charge", "amount")

    def given_back(self) -> dict[str, list[int]]:
        """What was refunded of each subscription, each time."""
        return self._moved("refund", "amount")

    def customers(self) -> collections.Counter[str]:
        """How many customers there are of each payer of ours."""
        return collections.Counter(
            customer["metadata"].get("payer", "") for customer in self._objects["customer"]
        )

    def _moved(self, kind: str, amount: str) -> dict[str, list[int]]:
        found = collections.defaultdict(list)
        for one in self._objects[kind]:
            if one["status"] == "succeeded":
                invoice = self._invoices[self._payments[one["payment_intent"]]]
                of = invoice["parent"]["subscription_details"]["subscription"]
                found[of].append(one[amount])
        return found


def counted(account: Account, mails: list[Any]) -> dict[str, int]:
    """What there is in the end, on both sides."""
    sent = Notice.objects.count()
    return {
        "charges": sum(map(len, account.charged().values())),
        "refunds": sum(map(len, account.given_back().values())),
        "events at Stripe": len(account.events),
        "events in the inbox": StripeEvent.objects.count(),
        "intents": Intent.objects.count(),
        "intents that were answered": Intent.objects.exclude(answered_at=None).count(),
        "mails": sent,
        "mails that came twice": len(mails) - sent,
    }


def findings(
    journeys: list[Journey], account: Account, mails: list[Any], *, repeats: int, now: datetime
) -> Iterator[str]:
    """Everything that is not as it must be; `repeats` is how many mails may have come twice."""
    yield from _open_ends(account)
    yield from _mailbox(mails, repeats=repeats)
    pages = dict(Checkout.objects.values_list("id", "subject_id"))
    made: dict[uuid.UUID, list[Any]] = collections.defaultdict(list)
    for page, subscriptions in account.subscriptions().items():
        made[pages[page]] += subscriptions
    charged, given_back, customers = account.charged(), account.given_back(), account.customers()
    for journey in journeys:
        name = f"{journey.story.name} ({journey.user and journey.user.email})"
        if journey.trouble:
            yield f"{name}: {journey.trouble}"
        if journey.car is None:
            continue
        mine = made[journey.car.vehicle.id]
        wrongs = [
            *_at_stripe(journey, mine, charged, given_back),
            *_here(journey, mine, now=now),
            *_told(journey),
        ]
        if customers[str(journey.user.pk)] != 1:
            wrongs.append(f"{customers[str(journey.user.pk)]} customers at Stripe")
        for wrong in wrongs:
            yield f"{name}: {wrong}"


def _open_ends(account: Account) -> Iterator[str]:
    """What nobody has finished, and what was lost."""
    known = set(StripeEvent.objects.values_list("stripe_event_id", flat=True))
    if lost := [event for event in account.taken if event not in known]:
        yield f"{len(lost)} events were answered 200 and are not in the inbox: {lost[:5]}"
    if missing := [event for event in account.events if event not in known]:
        yield f"{len(missing)} of Stripe's events never came: {missing[:5]}"
    if account.pending:
        yield f"{account.pending} events are still to be delivered"
    waiting = {
        "intents without an answer": Intent.objects.filter(answered_at=None),
        "events that were not handled": StripeEvent.objects.filter(state="received"),
        "events that were parked": StripeEvent.objects.filter(state="parked"),
        "mails that were not sent": Notice.objects.filter(sent_at=None),
        "facts that were not told": DomainEvent.objects.filter(noticed_at=None),
    }
    for what, rows in waiting.items():
        if count := rows.count():
            yield f"{count} {what}: {', '.join(map(str, rows[:5]))}"


def _mailbox(mails: list[Any], *, repeats: int) -> Iterator[str]:
    """Each mail came; as often as a process died between sending and saying so, one came twice."""
    if len(mails) >= MOST_MAILS:
        yield f"the mailbox keeps {MOST_MAILS} mails only: fewer journeys can be judged"
    sent = collections.Counter(Notice.objects.values_list("recipient", flat=True))
    came = collections.Counter(address for mail in mails for address in mail["to"])
    if less := {address for address in sent if came[address] < sent[address]}:
        yield f"{len(less)} people got fewer mails than were sent: {sorted(less)[:5]}"
    twice = sum(came[address] - sent[address] for address in sent)
    if twice > repeats:
        yield f"{twice} mails came twice, and only {repeats} processes died that send them"


def _at_stripe(
    journey: Journey, mine: list[Any], charged: dict[str, list[int]], back: dict[str, list[int]]
) -> Iterator[str]:
    live = [one["id"] for one in mine if one["status"] not in ("canceled", "incomplete_expired")]
    if len(live) != journey.story.lives:
        yield f"{len(live)} live subscriptions at Stripe"
    if len(mine) != 1:
        yield f"{len(mine)} subscriptions at Stripe"
    charges = [amount for one in mine for amount in charged.get(one["id"], [])]
    if charges != [PRICE] * (1 + journey.story.renews):
        yield f"charged {charges}"
    refunds = [amount for one in mine for amount in back.get(one["id"], [])]
    wanted = "release" in journey.story.acts
    if len(refunds) != wanted or not all(0 < amount <= PRICE for amount in refunds):
        yield f"refunded {refunds}"
    ending = {bool(one["cancel_at"] or one["cancel_at_period_end"]) for one in mine}
    if live and ending != {journey.story.acts[-1] == "cancel"}:
        yield f"at Stripe it {'ends' if True in ending else 'goes on'}"


def _here(journey: Journey, mine: list[Any], *, now: datetime) -> Iterator[str]:
    """The mirror, the seat, the grant and what the car is told."""
    assert journey.car is not None
    subject, lives = journey.car.vehicle.id, journey.story.lives
    mirrors = list(Subscription.objects.filter(subject_id=subject))
    known = {(mirror.stripe_subscription_id, mirror.status) for mirror in mirrors}
    if known != {(one["id"], one["status"]) for one in mine}:
        yield f"the mirror says {known}"
    seats = list(Seat.objects.filter(subject_id=subject))
    if [seat.subscription_id for seat in seats] != ([m.pk for m in mirrors] if lives else []):
        yield f"seats {seats}"
    grants = list(Grant.objects.filter(subject_id=subject))
    if len(grants) != 1 or (grants[0].ends_at is not None and (grants[0].ends_at > now) != lives):
        yield f"grants {[(grant.starts_at, grant.ends_at) for grant in grants]}"
    plan = _verdict(journey)
    if plan != ("premium" if lives else "standard"):
        yield f"the car is told {plan}"


def _verdict(journey: Journey) -> str:
    assert journey.car is not None
    journey.car.sign_in()
    return journey.car.plan()


def _told(journey: Journey) -> Iterator[str]:
    """Each fact was written down once, and told once."""
    assert journey.car is not None
    subject = journey.car.vehicle.id
    facts = collections.Counter(
        DomainEvent.objects.filter(subject_id=subject).values_list("kind", flat=True)
    )
    wanted = collections.Counter(kind for act in journey.story.acts for kind in EVENTS[act])
    once = {kind for kinds in EVENTS.values() for kind in kinds}
    if {kind: facts[kind] for kind in once if facts[kind]} != wanted:
        yield f"wrote down {dict(facts)}"
    told = collections.Counter(
        Notice.objects.filter(recipient=journey.user.email).values_list("template", flat=True)
    )
    mails = collections.Counter(mail for act in journey.story.acts for mail in MAILS[act])
    mails += collections.Counter(
        premium_ended=not journey.story.renews and "release" not in journey.story.acts
    )
    if told != mails:
        yield f"was told {dict(told)} instead of {dict(mails)}"
