"""Stripe's customers, payment pages and disputes against ours."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db.models import Max

from billing import checkout, disputes, gateway, intents, subscriptions, wishes
from billing.gateway import listing
from billing.models import Checkout, Customer, Dispute, Intent, Subscription
from billing.reconcile.finding import Found, Repair
from billing.reconcile.pace import Pace

AT_ONCE = 100
SLACK = timedelta(minutes=10)  # between our writing a thing down and Stripe's making it
Result = tuple[list[Found], str, int]


def customers(cursor: str, pace: Pace) -> Result:
    """Of our customers, which does Stripe not have any more?

    As in billing.reconcile.mirrors, by the time of their making: ours were written down just after.
    """
    after, _, newest = cursor.partition("|")
    pace.ask()
    listed = listing.customers(after)
    rows = Customer.objects.exclude(stripe_customer_id__in=[one.id for one in listed.items])
    if newest:
        rows = rows.filter(created_at__lte=datetime.fromtimestamp(int(newest), UTC))
    if listed.cursor:
        rows = rows.filter(created_at__gte=listed.items[-1].created_at)
    found = [
        Found("customer_gone", row.stripe_customer_id, f"payer {row.payer_id}", _renew(row))
        for row in rows.select_related("payer").order_by("created_at")
        if _matters(row) and not _exists(row, pace)
    ]
    oldest = int(listed.items[-1].created_at.timestamp()) if listed.items else 0
    return found, f"{listed.cursor}|{oldest}" if listed.cursor else "", len(listed.items)


def _matters(row: Customer) -> bool:
    """One that was replaced, or whose account was closed, and that pays for nothing is history."""
    replaced = Customer.objects.filter(
        payer=row.payer_id, currency=row.currency, ordinal__gt=row.ordinal
    )
    live = row.subscriptions.exclude(status__in=Subscription.ENDED)
    return live.exists() or (row.payer.is_active and not replaced.exists())


def _exists(row: Customer, pace: Pace) -> bool:
    pace.ask()
    return listing.customer_exists(row.stripe_customer_id)


def _renew(row: Customer) -> Repair:
    def repair(now: datetime) -> bool:
        for mirror in row.subscriptions.exclude(status__in=Subscription.ENDED):
            subscriptions.sync(mirror.stripe_subscription_id, now=now)
        Customer.objects.filter(pk=row.pk, gone_at=None).update(gone_at=now)
        mine = Customer.objects.filter(payer=row.payer_id, currency=row.currency)
        ordinal = (mine.aggregate(last=Max("ordinal"))["last"] or row.ordinal) + 1
        request = {
            "email": row.payer.email,
            "payer": str(row.payer_id),
            "currency": row.currency,
            "ordinal": ordinal,
        }
        key = f"customer:{row.payer_id}:{row.currency}:{ordinal}"
        intent, _ = wishes.record(Intent.Kind.CREATE_CUSTOMER, key, request, now=now)
        intents.perform(intent, now=now)
        return not _matters(row)

    return repair


def pages(cursor: str, pace: Pace) -> Result:
    """Of the payment pages that are open here, which are closed at Stripe?"""
    rows = Checkout.objects.filter(state=Checkout.State.OPEN).order_by("check_at", "id")
    if cursor:
        instant, _, last = cursor.partition("|")
        at = datetime.fromisoformat(instant)
        rows = rows.filter(check_at__gte=at).exclude(check_at=at, id__lte=last)
    batch = list(rows[:AT_ONCE])
    if not batch:
        return [], "", 0
    since = min(row.started_at for row in batch) - SLACK
    until = max(row.started_at for row in batch) + timedelta(days=1)
    theirs = dict(_sessions(since, until, pace))
    found = [
        Found("page_settled", str(row.stripe_session_id), f"{status} at Stripe", _settle(row))
        for row in batch
        if (status := theirs.get(str(row.stripe_session_id), "unknown")) != "open"
    ]
    more = f"{batch[-1].check_at}|{batch[-1].id}" if len(batch) == AT_ONCE else ""
    return found, more, len(batch)


def _sessions(since: datetime, until: datetime, pace: Pace) -> Iterator[tuple[str, str]]:
    cursor = ""
    while True:
        pace.ask()
        listed = listing.sessions(cursor, since=since, until=until)
        yield from ((one.id, one.status) for one in listed.items)
        cursor = listed.cursor
        if not cursor:
            return


def _settle(row: Checkout) -> Repair:
    def repair(now: datetime) -> bool:
        checkout.settle(row, now=now)
        row.refresh_from_db()
        return row.state != Checkout.State.OPEN

    return repair


def disputed(cursor: str, pace: Pace) -> Result:
    """Of Stripe's disputes, which are not here as they are there?"""
    pace.ask()
    listed = listing.disputes(cursor)
    ids = [one.id for one in listed.items]
    ours = dict(Dispute.objects.filter(pk__in=ids).values_list("pk", "status"))
    found = [
        Found("dispute_missing", one.id, _detail(one, ours.get(one.id)), _fetch(one.id))
        for one in listed.items
        if ours.get(one.id) != one.status
    ]
    return found, listed.cursor, len(listed.items)


def _detail(one: gateway.Dispute, here: str | None) -> str:
    if here is None:
        return f"{one.status} at Stripe; not here, or about a payment that is none of ours"
    return f"{here} here, {one.status} at Stripe"


def _fetch(dispute_id: str) -> Repair:
    def repair(now: datetime) -> bool:
        disputes.sync(dispute_id, now=now)
        return True

    return repair
