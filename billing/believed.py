"""Records renewals that were paid from the events themselves, many in one transaction.

It must never ask Stripe, nor decide what else an event may mean: what it leaves is fetched.

# Note [The one payload that is believed]
When millions renew on a day there is no time to fetch each. That a renewal was paid is a fact that
nothing takes back, so it is recorded from the event: it raises how far is paid, and nothing else.
It takes no ticket (see Note [A ticket per fetch] in billing.subscriptions): a fetch that began
earlier may still be recorded, and cannot lower what was paid, since paid invoices stay paid.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import connection

from billing import gateway, invoices, policy, seats, subjects
from billing.models import Dispute, StripeEvent, Subscription

# Django would write a CASE for each row, at several times the cost of all else here.
_PROLONG = """
    UPDATE billing_subscription SET paid_through = paid.through, period_ends_at = paid.period
    FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS paid (id, through, period)
    WHERE billing_subscription.id = paid.id
"""


def record(events: Iterable[StripeEvent], *, now: datetime) -> list[int]:
    """Record the paid renewals among events; return the ids of those that this has answered.

    In the caller's transaction. What is left is to be fetched, or is a second renewal of one
    subscription, or tells more than that it was paid.
    """
    paid: dict[str, tuple[int, gateway.Invoice]] = {}
    for event in events:
        renewal = gateway.renewal_paid(event.payload)
        if renewal is not None and renewal[1].paid_through is not None:
            paid.setdefault(renewal[0], (event.pk, renewal[1]))
    mirrors = _lock(paid)
    found = [(mirror, paid[mirror.stripe_subscription_id][1]) for mirror in mirrors]
    recorded = invoices.mirror_plain(found)
    _prolong(recorded, now=now)
    return [paid[mirror.stripe_subscription_id][0] for mirror, _ in recorded]


def is_paid_through(stripe_subscription_id: str, instant: datetime) -> bool:
    """Whether a subscription that renews is known to be paid until an instant, or further."""
    known = Subscription.objects.filter(stripe_subscription_id=stripe_subscription_id)
    return known.filter(status__in=Subscription.RENEWING, paid_through__gte=instant).exists()


def _lock(stripe_ids: Iterable[str]) -> list[Subscription]:
    """Lock the subjects of these subscriptions, then those of them that renew."""
    mine = Subscription.objects.filter(
        stripe_subscription_id__in=list(stripe_ids), subject_id__isnull=False
    )
    subject_of = dict(mine.values_list("pk", "subject_id"))
    subjects.lock_all(subject_of.values())
    locked = Subscription.objects.select_for_update(no_key=True, of=("self",)).filter(
        pk__in=subject_of, status__in=Subscription.RENEWING, paid_through__isnull=False
    )
    mirrors = locked.select_related("customer").order_by("pk")
    # One that staff gave to another subject meanwhile is not under our lock.
    return [mirror for mirror in mirrors if mirror.subject_id == subject_of[mirror.pk]]


def _prolong(paid: list[invoices.Payment], *, now: datetime) -> None:
    """Let what is paid, the periods and the grants last as long as was paid, if that is longer."""
    mirrors = [mirror for mirror, _ in paid]
    for mirror, invoice in paid:
        mirror.paid_through = _later(mirror.paid_through, invoice.paid_through)
        mirror.period_ends_at = _later(mirror.period_ends_at, invoice.paid_through)
    _save(mirrors)
    disputes = Dispute.objects.filter(invoice__subscription__in=mirrors)
    held = disputes.exclude(status__in=Dispute.HARMLESS)
    disputed = set(held.values_list("invoice__subscription", flat=True))
    seats.prolong([(one, _until(one, one.pk in disputed)) for one in mirrors], now=now)


def _save(mirrors: list[Subscription]) -> None:
    rows = [(one.pk, one.paid_through, one.period_ends_at) for one in mirrors]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_PROLONG, [list(column) for column in zip(*rows, strict=True)])


def _until(mirror: Subscription, disputed: bool) -> datetime | None:
    ending = mirror.ends_at is not None
    return policy.ends_at(mirror.status, paid=mirror.paid_through, ending=ending, disputed=disputed)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other
