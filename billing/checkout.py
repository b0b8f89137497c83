"""Opens payment pages and learns what became of them: one subject, one seat, one charge.

Who may buy is not decided here; whoever calls has decided that.
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from billing import agreements, gateway, intents, queries, subjects, subscriptions, wishes
from billing.gateway import StripeAway, StripeRefused, customers
from billing.models import (
    Checkout,
    Customer,
    DomainEvent,
    Grant,
    Intent,
    Seat,
    StripePrice,
    Subscription,
)

__all__ = [
    "AlreadySubscribed",
    "NotOnSale",
    "SeatTaken",
    "StripeAway",
    "StripeRefused",
    "due",
    "returned",
    "settle",
    "settle_session",
    "start",
]

OPEN_FOR = timedelta(hours=1)  # Stripe allows 30 minutes to 24 hours
ASK_AGAIN = timedelta(minutes=1)
OPEN_WITHIN = timedelta(minutes=20)
# Stripe holds 500 subscriptions for a customer; pages that stand open may become some.
MOST_PER_CUSTOMER = 450
SHORTEST_TRIAL = timedelta(hours=50)  # Stripe asks for 48, and the payer takes a while


class NotOnSale(LookupError):
    """There is no such price; the offer has changed, or `sync_catalog` has not run yet."""


class SeatTaken(Exception):
    """Somebody else is paying for this subject, or just about to."""


class AlreadySubscribed(Exception):
    """This payer has a live subscription for this subject; there is nothing more to buy."""


def start(
    *,
    payer: Any,
    subject_id: UUID,
    lookup_key: str,
    currency: str,
    return_url: str,
    cancel_url: str,
    still_may: Callable[[], None],
    agreed: agreements.Shown | None = None,
    now: datetime,
) -> str:
    """Return the URL of the one payment page of this subject; two tabs get the same.

    A price in another currency than the subject is sold in is not on sale for it. `still_may` is
    called under the subject's lock and raises if the payer may no longer buy. `agreed` is what the
    payer has read and asked for, and is kept. Raises NotOnSale, SeatTaken, AlreadySubscribed,
    StripeAway, StripeRefused.
    """
    sold = queries.catalog().prices.get(lookup_key)
    price = StripePrice.objects.filter(lookup_key=lookup_key).first() if sold else None
    if sold is None or price is None or price.currency != currency:
        raise NotOnSale(f"There is no price {lookup_key!r} in {currency.upper()}.")
    _clear_stale(payer=payer, subject_id=subject_id, lookup_key=lookup_key, now=now)
    customer = _customer(payer, price.currency, now=now)
    terms = {
        "customer": customer.stripe_customer_id,
        "price": price.stripe_price_id,
        "success_url": return_url,
        "cancel_url": cancel_url,
    }
    with transaction.atomic(durable=True):
        subjects.lock(subject_id)
        still_may()
        checkout = _take_seat(payer, subject_id, lookup_key, customer, now=now)
        agreements.record(checkout, sold, agreed, now=now)
        intent = _intent(checkout, terms, now=now)
    _open(intent, customer, now=now)
    checkout.refresh_from_db()
    return checkout.url


def returned(*, payer: Any, subject_id: UUID, now: datetime) -> None:
    """The payer came back from the page: ask Stripe soon, should its event be late or lost."""
    soon = now + timedelta(seconds=5)
    Checkout.objects.filter(
        payer=payer, subject_id=subject_id, state=Checkout.State.OPEN, check_at__gt=soon
    ).update(check_at=soon)


def settle(checkout: Checkout, *, now: datetime) -> str:
    """Ask Stripe what became of a payment page, record it and return Stripe's word for it."""
    if not checkout.stripe_session_id:
        return "opening"
    # Whatever comes of it, the next look is not at once: others are due as well.
    Checkout.objects.filter(id=checkout.id).update(check_at=now + ASK_AGAIN)
    try:
        session = gateway.session(checkout.stripe_session_id)
    except StripeRefused as error:
        if error.code != gateway.GONE:
            raise
        _close(checkout, now=now)
        return "expired"
    if session.status == "complete" and session.subscription:
        subscriptions.sync(session.subscription, now=now)
        # All is known of one that was abandoned, too: no sweep is to pass it again.
        known = Checkout.objects.filter(id=checkout.id, state=Checkout.State.ABANDONED)
        known.update(check_at=None)
    elif session.status == "expired":
        _close(checkout, now=now)
    return session.status


def settle_session(stripe_session_id: str, *, now: datetime) -> None:
    """Settle the page with this session id; one that is not ours is ignored."""
    checkout = Checkout.objects.filter(stripe_session_id=stripe_session_id).first()
    if checkout is not None:
        settle(checkout, now=now)


def due(now: datetime) -> list[Checkout]:
    """Return the pages whose outcome should have been heard of by now, abandoned ones too."""
    unheard = [Checkout.State.OPEN, Checkout.State.ABANDONED]
    waiting = Checkout.objects.filter(state__in=unheard, check_at__lte=now)
    return list(waiting.exclude(stripe_session_id=None).order_by("check_at")[:100])


def _clear_stale(*, payer: Any, subject_id: UUID, lookup_key: str, now: datetime) -> None:
    """Close a page of this payer that has run out, or that sells another price."""
    mine = Seat.objects.filter(subject_id=subject_id, payer=payer).select_related("checkout")
    seat = mine.first()
    if seat is not None and seat.checkout and _is_stale(seat.checkout, lookup_key, now=now):
        _shut(seat.checkout, now=now)


def _shut(checkout: Checkout, *, now: datetime) -> None:
    """Close a page that is open, so that another can be opened; bring a paid one up to date.

    Raises StripeAway; then the page is still open and nothing was changed.
    """
    if settle(checkout, now=now) != "open":
        return
    try:
        intents.perform(wishes.expire(checkout, now=now), now=now)
    except StripeRefused:  # It was paid or expired in this very moment.
        settle(checkout, now=now)
    else:
        _close(checkout, now=now)


def _is_stale(checkout: Checkout, lookup_key: str, *, now: datetime) -> bool:
    """Whether the page cannot serve this wish: another price, or its time is up.

    One that Stripe has not opened for a while is too old to be opened at all: Stripe wants half an
    hour before a page runs out.
    """
    stuck = checkout.state == Checkout.State.OPENING and checkout.started_at < now - OPEN_WITHIN
    return stuck or checkout.lookup_key != lookup_key or checkout.expires_at <= now


def _take_seat(
    payer: Any, subject_id: UUID, lookup_key: str, customer: Customer, *, now: datetime
) -> Checkout:
    """Return the page that holds the seat for this payer; the caller has locked the subject."""
    seat = Seat.objects.filter(subject_id=subject_id).select_related("checkout").first()
    if seat is not None and seat.payer_id != payer.pk:
        raise SeatTaken("Somebody else is paying for this already.")
    if seat is not None and seat.checkout is None:
        raise AlreadySubscribed("This is subscribed already.")
    if seat is not None and seat.checkout is not None:
        if not _is_stale(seat.checkout, lookup_key, now=now):
            return seat.checkout
        # Stripe has not answered for it yet; when it does, the page is closed again.
        Checkout.objects.filter(id=seat.checkout.id).update(state=Checkout.State.ABANDONED)
        seat.delete()
    checkout = Checkout.objects.create(
        id=uuid.uuid4(),
        subject_id=subject_id,
        payer=payer,
        lookup_key=lookup_key,
        customer=customer,
        started_at=now,
        expires_at=now + OPEN_FOR,
        check_at=now + OPEN_FOR,
    )
    Seat.objects.create(subject_id=subject_id, payer=payer, checkout=checkout, taken_at=now)
    _note(checkout, "checkout_started", now=now)
    return checkout


def _intent(checkout: Checkout, terms: dict[str, str], *, now: datetime) -> Intent:
    """The call that opens this page; written with the seat, neither is without the other."""
    session = {
        **terms,
        "reference": str(checkout.id),
        "expires_at": int(checkout.expires_at.timestamp()),
        "trial_end": _free_until(checkout.subject_id, now=now),
    }
    request = {"checkout": str(checkout.id), "session": session}
    key = f"checkout:{checkout.id}"
    return wishes.record(Intent.Kind.OPEN_CHECKOUT, key, request, now=now)[0]


def _open(intent: Intent, customer: Customer, *, now: datetime) -> None:
    """Open the page; where its customer is gone, the next wish is for a page of another one."""
    try:
        intents.perform(intent, now=now)
    except StripeRefused as error:
        if error.code == gateway.GONE and customers.is_deleted(customer.stripe_customer_id):
            Customer.objects.filter(pk=customer.pk).update(gone_at=now)
        raise


def _free_until(subject_id: UUID, *, now: datetime) -> int | None:
    """When the first charge is due if a trial runs or is to come: nobody pays for what is free."""
    trials = Grant.objects.filter(subject_id=subject_id, source=Grant.Source.TRIAL)
    last = trials.filter(ends_at__gt=now).order_by("-ends_at").first()
    if last is None or last.ends_at is None:
        return None
    return int(max(last.ends_at, now + SHORTEST_TRIAL).timestamp())


def _customer(payer: Any, currency: str, *, now: datetime) -> Customer:
    """The payer's first customer at Stripe that is there and has room; else a new one."""
    ordinal = 1
    for customer in Customer.objects.filter(payer=payer, currency=currency).order_by("ordinal"):
        if customer.gone_at is None and _has_room(customer):
            return customer
        ordinal = customer.ordinal + 1
    return _new_customer(payer, currency, ordinal, now=now)


def _has_room(customer: Customer) -> bool:
    held = Subscription.objects.filter(customer=customer).exclude(status__in=Subscription.ENDED)
    pages = Checkout.objects.filter(customer=customer, state__in=Checkout.LIVE)
    return held.count() + pages.count() < MOST_PER_CUSTOMER


def _new_customer(payer: Any, currency: str, ordinal: int, *, now: datetime) -> Customer:
    """Make a customer at Stripe; two who ask for the same ordinal make one."""
    intent, _ = wishes.record(
        Intent.Kind.CREATE_CUSTOMER,
        f"customer:{payer.pk}:{currency}:{ordinal}",
        {
            "email": payer.email,
            "payer": str(payer.pk),
            "currency": currency,
            "ordinal": ordinal,
        },
        now=now,
    )
    try:
        intents.perform(intent, now=now)
    except StripeRefused:
        intent.delete()  # The next wish is a new call: no payer is refused for ever.
        raise
    return Customer.objects.get(payer=payer, currency=currency, ordinal=ordinal)


def _close(checkout: Checkout, *, now: datetime) -> None:
    """Record that the page has closed unpaid, and free its seat."""
    with transaction.atomic(durable=True):
        subjects.lock(checkout.subject_id)
        unpaid = Checkout.LIVE | {Checkout.State.ABANDONED}
        closed = Checkout.objects.filter(id=checkout.id, state__in=unpaid)
        if closed.update(state=Checkout.State.EXPIRED):
            Seat.objects.filter(checkout=checkout).delete()
            _note(checkout, "checkout_expired", now=now)


def _note(checkout: Checkout, kind: str, *, now: datetime) -> None:
    DomainEvent.objects.create(
        kind=kind,
        at=now,
        subject_id=checkout.subject_id,
        payer_id=checkout.payer_id,
        data={"checkout": str(checkout.id), "price": checkout.lookup_key},
    )
