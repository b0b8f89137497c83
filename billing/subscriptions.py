"""Brings our mirror of a subscription up to date: fetch, decide, record, announce.

# Note [A ticket per fetch]
Two workers may fetch the same subscription and write in the other order. Each takes a ticket (a
counter on the row) before it fetches, and records only if no later ticket has been recorded: what
was fetched later is never overwritten by what was fetched earlier.

# Note [Only the seat's holder yields a grant]
The mirror refuses nothing that Stripe says, but a subscription grants something only while it
holds its subject's seat. It gets the seat from the checkout of ours that made it, or from staff
who adopt it; metadata is not trusted.
"""

from datetime import datetime
from decimal import ROUND_HALF_UP
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet

from billing import gateway, invoices, policy, seats, subjects, wishes
from billing.models import (
    Checkout,
    Customer,
    Dispute,
    Intent,
    StripePrice,
    Subscription,
)

DISPUTE_LOST = "dispute_lost"  # the domain event; see billing.disputes


def sync(stripe_subscription_id: str, *, now: datetime) -> Subscription:
    """Fetch a subscription from Stripe and record what follows; safe to repeat, in any order.

    Raises gateway.StripeAway when Stripe does not answer; then nothing was changed.
    """
    mirror = _known(stripe_subscription_id)
    ticket = _take_ticket(mirror)
    fetched = gateway.subscription(stripe_subscription_id)
    checkout = mirror.checkout
    if checkout is None and mirror.adopted_at is None:
        checkout = _checkout_of(stripe_subscription_id)
    recorded = False
    while not recorded:
        mirror, recorded = _record_newest(mirror, fetched, checkout, ticket, now=now)
    return mirror


def _known(stripe_subscription_id: str) -> Subscription:
    mirror, _ = Subscription.objects.select_related("checkout").get_or_create(
        stripe_subscription_id=stripe_subscription_id
    )
    return mirror


def _take_ticket(mirror: Subscription) -> int:
    with transaction.atomic():
        Subscription.objects.filter(pk=mirror.pk).update(ticket=F("ticket") + 1)
        return Subscription.objects.values_list("ticket", flat=True).get(pk=mirror.pk)


def _record_newest(
    mirror: Subscription,
    fetched: gateway.Subscription,
    checkout: Checkout | None,
    ticket: int,
    *,
    now: datetime,
) -> tuple[Subscription, bool]:
    """Record what was fetched unless a later fetch is recorded; return the mirror as it is now.

    False, and nothing is changed, if staff adopted it after it was read: its subject is to be
    locked first, so all of this begins again.
    """
    with transaction.atomic(durable=True):
        subject_id = _subject_of(mirror, checkout)
        if subject_id is not None:
            subjects.lock(subject_id)
        mirror = Subscription.objects.select_for_update(no_key=True).get(pk=mirror.pk)
        if _subject_of(mirror, checkout) != subject_id:
            return mirror, False
        if checkout is not None:
            checkout.refresh_from_db()  # Somebody may have abandoned it while we waited.
        if ticket > mirror.recorded_ticket:
            its = checkout if mirror.adopted_at is None else None
            _record(mirror, fetched, its, ticket, now=now)
    return mirror, True


def _subject_of(mirror: Subscription, checkout: Checkout | None) -> UUID | None:
    """What it is for: by the page that it came from, unless staff have adopted it."""
    if checkout is not None and mirror.adopted_at is None:
        return checkout.subject_id
    return mirror.subject_id


def _checkout_of(stripe_subscription_id: str) -> Checkout | None:
    session = gateway.session_of_subscription(stripe_subscription_id)
    if session is None:
        return None
    return Checkout.objects.filter(stripe_session_id=session.id).first()


def _record(
    mirror: Subscription,
    fetched: gateway.Subscription,
    checkout: Checkout | None,
    ticket: int,
    *,
    now: datetime,
) -> None:
    before, ended, seen = mirror.status, mirror.ends_at is not None, mirror.recorded_ticket
    money = _money(mirror, fetched)
    _mirror(mirror, fetched, checkout, money, now=now)
    mirror.recorded_ticket = ticket
    mirror.save()
    news = invoices.mirror(mirror, fetched.invoices)
    if before and ended != (mirror.ends_at is not None):
        _tell_of_its_end(mirror, seen, now=now)
    if mirror.subject_id is not None:
        until = policy.grant_ends_at(fetched, money)
        seats.settle(mirror, mirror.subject_id, checkout, until, now=now)
    if money.lost:
        _charge_no_more(mirror, now=now)
    if before != mirror.status:
        seats.note(mirror, f"subscription_{mirror.status}", now=now, before=before)
    if before == Subscription.Status.PAUSED and fetched.ended_at and fetched.credited:
        began = min(line.starts_at for line in fetched.credited)
        wishes.give_back(mirror.stripe_subscription_id, unused_from=began, now=now)
    late = _paid_after_its_end(fetched)
    for invoice in late:
        _pay_back(mirror, invoice, now=now)
    for one in news:
        if one.invoice not in late:
            _tell(mirror, one, now=now)


def _money(mirror: Subscription, fetched: gateway.Subscription) -> policy.Money:
    """What is known of the payments beside what was fetched."""
    held: dict[bool, set[str]] = {True: set(), False: set()}
    for invoice_id, status in _disputes(mirror).values_list("invoice_id", "status"):
        held[status in Dispute.LOST].add(str(invoice_id))
    also = invoices.paid_unseen(mirror, fetched.invoices, lost=held[True])
    return policy.Money(frozenset(held[False]), frozenset(held[True]), also)


def _disputes(mirror: Subscription) -> QuerySet[Dispute]:
    """Those about its payments that are open or lost."""
    mine = Dispute.objects.filter(invoice__subscription=mirror)
    return mine.exclude(status__in=Dispute.HARMLESS)


def _mirror(
    mirror: Subscription,
    fetched: gateway.Subscription,
    checkout: Checkout | None,
    money: policy.Money,
    *,
    now: datetime,
) -> None:
    customer = Customer.objects.filter(stripe_customer_id=fetched.customer).first()
    price = StripePrice.objects.filter(stripe_product_id=fetched.price.product).first()
    mirror.checkout, mirror.customer = checkout, customer
    if checkout is not None:
        mirror.subject_id = checkout.subject_id
    mirror.status = fetched.status
    mirror.plan = price.plan if price else ""
    mirror.interval, mirror.currency = fetched.price.interval, fetched.price.currency
    mirror.unit_amount = fetched.price.unit_amount
    mirror.discounted_amount, mirror.discount_ends_at = _discounted(fetched)
    mirror.period_ends_at = fetched.period_ends_at
    mirror.paid_through = policy.paid_through(fetched, money)
    mirror.trial_ends_at = fetched.trial_ends_at
    mirror.ends_at = fetched.ended_at or fetched.cancel_at
    mirror.card_brand, mirror.card_last4 = fetched.card_brand, fetched.card_last4
    mirror.created_at = fetched.created_at
    mirror.synced_at = now


def _discounted(fetched: gateway.Subscription) -> tuple[int | None, datetime | None]:
    """What a period costs while a discount lasts, and until when that is."""
    if fetched.discount is None:
        return None, None
    full = fetched.price.unit_amount
    off = int((full * fetched.discount.percent / 100).to_integral_value(ROUND_HALF_UP))
    return max(0, full - off - fetched.discount.amount), fetched.discount.ends_at


def _tell_of_its_end(mirror: Subscription, seen: int, *, now: datetime) -> None:
    """Write down that its end was scheduled, or undone, on Stripe's pages.

    Where our own wish has done it, the answer to that wish tells it, or will. It is such a wish if
    the ticket `seen` before, with which the mirror was recorded, could not show what it did.
    """
    renews = mirror.ends_at is None
    prefix = f"renewal:{mirror.stripe_subscription_id}:"
    fresh = Q(answered_at=None) | Q(answer__ticket__gte=seen)
    wishes = Intent.objects.filter(fresh, idempotency_key__startswith=prefix)
    ours = any(
        wish.request["renews"] == renews and not {"overtaken", "refused"} & set(wish.answer or ())
        for wish in wishes
    )
    if mirror.status in Subscription.RENEWING and not ours:
        paid = mirror.paid_through.isoformat() if mirror.paid_through else ""
        kind = "renewal_resumed" if renews else "renewal_stopped"
        seats.note(mirror, kind, now=now, paid_through=paid)


def _charge_no_more(mirror: Subscription, *, now: datetime) -> None:
    """End what a bank took a payment back for; time that others pay for stays.

    Asked at each fetch, so that it ends again if somebody undoes its end on Stripe's pages.
    """
    if mirror.status in Subscription.ENDED:
        return
    if mirror.paid_through is not None and mirror.paid_through > now:
        wishes.renew(mirror, renews=False, because=DISPUTE_LOST, now=now)
    else:
        stripe_id = mirror.stripe_subscription_id
        wishes.end(stripe_id, {"subscription": stripe_id}, refund=False, now=now)


def _paid_after_its_end(fetched: gateway.Subscription) -> list[gateway.Invoice]:
    """What was paid when it had ended: an invoice that was left open keeps its page at Stripe."""
    end = fetched.ended_at
    return [
        invoice
        for invoice in fetched.invoices
        if end and invoice.paid_at and invoice.paid_at > end and invoice.amount_paid
    ]


def _pay_back(mirror: Subscription, invoice: gateway.Invoice, *, now: datetime) -> None:
    """Have a payment go back for which there is nothing to give; what follows tells of it."""
    request = {
        "invoice": invoice.id,
        "subscription": mirror.stripe_subscription_id,
        "amount": invoice.amount_paid,
        "currency": invoice.currency,
        "reason": "It was paid after the subscription had ended.",
        "actor": None,
    }
    key = f"refund:{invoice.id}:paid-after-its-end"
    wishes.record(Intent.Kind.REFUND_INVOICE, key, request, now=now)


def _tell(mirror: Subscription, news: invoices.News, *, now: datetime) -> None:
    """Write down that a payment failed, or came after all."""
    invoice = news.invoice
    facts: dict[str, object] = {"invoice": invoice.id}
    if news.kind == invoices.FAILED:
        again, until = invoice.next_attempt_at, seats.grant_until(mirror)
        facts |= {
            "amount": invoice.total,
            "currency": invoice.currency,
            "retry_at": again.isoformat() if again else "",
            "access_until": until.isoformat() if until else "",
            "pay_url": invoice.hosted_url,
            "action_required": invoice.action_required,
            "attempts": invoice.attempts,
        }
    seats.note(mirror, news.kind, now=now, **facts)
