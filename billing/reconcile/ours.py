"""Our own facts against each other: what was paid, the seat, the grant, and who pays for what.

It asks Stripe nothing: the mirror was compared before. See Note [Only the seat's holder yields a
grant] in billing.subscriptions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from billing import owners, policy, subscriptions, wishes
from billing.models import Checkout, Dispute, Grant, Intent, Seat, Subscription
from billing.reconcile import repairs
from billing.reconcile.finding import Found, Repair
from billing.reconcile.pace import Pace

AT_ONCE = 500
LIVE = Subscription.RENEWING | {Subscription.Status.UNPAID, Subscription.Status.PAUSED}
Result = tuple[list[Found], str, int]


@dataclass(frozen=True, slots=True)
class Around:
    """What is known around a page of subscriptions, read at once."""

    seats: dict[UUID, Seat]
    grants: dict[int, Grant]
    disputed: set[int]
    lost: set[int]  # of which a bank has taken a payment back for good
    stopping: set[str]  # of those, the ones that are about to end with their paid time
    ending: set[str]  # of which somebody has decided that they end now, unless Stripe refused it
    refused: dict[str, Intent]  # what came of that at Stripe, where it is nothing
    live: Counter[UUID]
    wrong: dict[owners.Pair, str]


def page(cursor: str, pace: Pace) -> Result:
    """Look at a page of our subscriptions, in the order in which they came."""
    rows = Subscription.objects.filter(pk__gt=int(cursor or 0)).order_by("pk")
    batch = list(rows.select_related("customer__payer", "checkout")[:AT_ONCE])
    now, around = pace.now(), _around(batch)
    found = [finding for row in batch for finding in _look(row, around, now)]
    more = str(batch[-1].pk) if len(batch) == AT_ONCE else ""
    return found, more, len(batch)


def _around(batch: list[Subscription]) -> Around:
    subject_ids = {row.subject_id for row in batch if row.subject_id}
    bank = Dispute.objects.filter(invoice__subscription__in=batch)
    held = bank.exclude(status__in=Dispute.HARMLESS | Dispute.LOST)
    lost = set(
        bank.filter(status__in=Dispute.LOST).values_list("invoice__subscription_id", flat=True)
    )
    ends = wishes.ends(row.stripe_subscription_id for row in batch)
    asked = [*wishes.refunds_of(ends.values()), *ends.values()]
    live = Subscription.objects.filter(subject__in=subject_ids, status__in=LIVE)
    return Around(
        seats={seat.subject_id: seat for seat in Seat.objects.filter(subject__in=subject_ids)},
        grants={
            int(grant.subscription_id or 0): grant
            for grant in Grant.objects.filter(subscription__in=batch)
        },
        disputed=set(held.values_list("invoice__subscription_id", flat=True)),
        lost=lost,
        stopping=wishes.stopping(row.stripe_subscription_id for row in batch if row.pk in lost),
        ending={which for which, intent in ends.items() if not wishes.is_refused(intent)},
        refused={one.request["subscription"]: one for one in asked if wishes.is_refused(one)},
        live=Counter(i for i in live.values_list("subject_id", flat=True) if i),
        wrong=owners.wrong(
            {(row.subject_id, _payer(row)) for row in batch if row.subject_id and _is_live(row)}
        ),
    )


def _look(row: Subscription, around: Around, now: datetime) -> Iterator[Found]:
    refused = around.refused.get(row.stripe_subscription_id)
    if refused is not None and _is_live(row):
        detail = f"{refused.idempotency_key}: {refused.error}"
        yield Found("end_refused", row.stripe_subscription_id, detail)
    if row.stripe_subscription_id in around.ending and _is_live(row):
        return  # It is about to end; that the call waits for long is found by its intent.
    if _is_live(row) and _is_charged_again(row, around):
        yield _sync("charged_again", row, f"paid until {_day(row.paid_through)}")
    seat = around.seats.get(row.subject_id) if row.subject_id else None
    holds = seat is not None and seat.subscription_id == row.pk
    yield from _seat(row, seat, holds=holds)
    yield from _grant(row, around, now, holds=holds)
    if _is_live(row):
        yield from _leaks(row, around, holds=holds)


def _is_live(row: Subscription) -> bool:
    return row.status in LIVE


def _is_charged_again(row: Subscription, around: Around) -> bool:
    """Whether it renews after a bank took a payment for it back, and nobody is about to stop it."""
    stopping = row.stripe_subscription_id in around.stopping
    return row.pk in around.lost and row.ends_at is None and not stopping


def _payer(row: Subscription) -> Any:
    return row.customer.payer_id if row.customer else None


def _seat(row: Subscription, seat: Seat | None, *, holds: bool) -> Iterator[Found]:
    if holds and row.status in Subscription.ENDED:
        yield _sync("seat_of_ended", row, f"subject {row.subject_id}")
    if seat is None and _lost_its_seat(row):
        yield Found(
            "seat_missing",
            row.stripe_subscription_id,
            f"subject {row.subject_id}",
            repairs.reseat(row.stripe_subscription_id),
        )


def _lost_its_seat(row: Subscription) -> bool:
    """Whether it came by our page, or by staff, to a seat that nobody has taken from it."""
    paid_here = row.checkout is not None and row.checkout.state == Checkout.State.PAID
    return (
        _is_live(row) and (paid_here or row.adopted_at is not None) and row.subject_id is not None
    )


def _grant(row: Subscription, around: Around, now: datetime, *, holds: bool) -> Iterator[Found]:
    grant = around.grants.get(row.pk)
    until = policy.ends_at(
        row.status,
        paid=row.paid_through,
        ending=row.ends_at is not None and row.status not in Subscription.ENDED,
        disputed=row.pk in around.disputed,
        ended_at=row.ends_at if row.status in Subscription.ENDED else None,
    )
    if grant is None:
        if holds and until and until > now and row.plan:
            yield _sync("grant_missing", row, f"paid until {until:%Y-%m-%d %H:%M}")
        return
    wanted = max(grant.starts_at, until) if until else None
    runs = grant.ends_at is None or grant.ends_at > now
    detail = f"until {_day(grant.ends_at)}, should be until {_day(wanted)}"
    if runs and (wanted is None or wanted <= now):
        yield _sync("premium_without_a_payer", row, detail)
    elif runs and not holds and not _lost_its_seat(row):
        decided = row.stripe_subscription_id in around.ending
        repair = repairs.end(row.stripe_subscription_id) if decided else None
        yield Found("grant_without_seat", row.stripe_subscription_id, detail, repair)
    elif wanted and (grant.ends_at is None or grant.ends_at > wanted):
        yield _sync("grant_too_long", row, detail)
    elif wanted and holds and grant.ends_at and grant.ends_at < wanted:
        yield _sync("grant_too_short", row, detail)


def _leaks(row: Subscription, around: Around, *, holds: bool) -> Iterator[Found]:
    which = row.stripe_subscription_id
    pays = row.status in Subscription.RENEWING
    if pays and not holds and not _lost_its_seat(row):
        why = "did not come from our checkout" if row.checkout is None else "does not hold the seat"
        yield Found("paying_without_a_car", which, f"{row.status}; it {why}")
    if row.subject_id and around.live[row.subject_id] > 1:
        yield Found("two_live_subscriptions", which, f"subject {row.subject_id}")
    if row.customer is None or not row.customer.payer.is_active:
        yield Found("unknown_payer", which, "a closed account" if row.customer else "no customer")
    wrong = around.wrong.get((row.subject_id, _payer(row))) if row.subject_id else None
    if wrong:
        yield Found(wrong, which, f"subject {row.subject_id}")


def _day(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else "nobody says"


def _sync(kind: str, row: Subscription, detail: str) -> Found:
    return Found(kind, row.stripe_subscription_id, detail, _again(kind, row.pk))


def _again(kind: str, pk: int) -> Repair:
    """Fetch it, record what follows, and look whether it is still so."""

    def repair(now: datetime) -> bool:
        row = Subscription.objects.get(pk=pk)
        subscriptions.sync(row.stripe_subscription_id, now=now)
        return kind not in _kinds(pk, now)

    return repair


def _kinds(pk: int, now: datetime) -> Iterable[str]:
    rows = Subscription.objects.filter(pk=pk).select_related("customer__payer", "checkout")
    batch = list(rows)
    return {finding.kind for row in batch for finding in _look(row, _around(batch), now)}
