"""A charge to come is spoken of once, in time to cancel, and only where there is one."""

from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import clock, reminders, tasks
from billing.models import Bookmark, Customer, DomainEvent, Invoice, Subscription
from connectivity.notices.tasks import sweep
from tests.factories import make_car, make_user
from tests.integration.telling import subscribed

SECOND = timedelta(seconds=1)


def trial(now: datetime, left: timedelta, **facts: Any) -> Subscription:
    """A trial that began 30 days before its end."""
    ends = now + left
    began = ends - timedelta(days=30)
    usual = {"trial_ends_at": ends, "paid_through": ends, "period_ends_at": ends}
    return running(now, **{"status": "trialing", "created_at": began, **usual, **facts})


def yearly(now: datetime, left: timedelta, **facts: Any) -> Subscription:
    ends = now + left
    usual = {"interval": "year", "unit_amount": 10000, "paid_through": ends, "period_ends_at": ends}
    return running(now, **{**usual, **facts})


def running(now: datetime, **facts: Any) -> Subscription:
    owner = make_user()
    stripe_id = subscribed(make_car(owner), owner, now, **facts)
    return Subscription.objects.get(stripe_subscription_id=stripe_id)


def reminded(now: datetime) -> list[str]:
    """The kinds of what was written down by one look."""
    known = set(DomainEvent.objects.values_list("id", flat=True))
    seen(now)
    fresh = DomainEvent.objects.exclude(id__in=known).order_by("id")
    return list(fresh.values_list("kind", flat=True))


def seen(now: datetime) -> list[int]:
    """At which subscriptions one round looks."""
    Bookmark.objects.all().delete()
    found = reminders.due(now)
    for subscription_id in found:
        reminders.remind(subscription_id, now=now)
    return found


def plan_of(cursor: Any, sql: str) -> str:
    if not sql.startswith("SELECT"):
        return ""
    cursor.execute(f"EXPLAIN {sql}")
    return " ".join(line for (line,) in cursor.fetchall())


@pytest.mark.django_db
class TestWho:
    """Who hears of it, when."""

    def test_a_trial_at_the_very_instant(self, now) -> None:
        trial(now, reminders.BEFORE_FIRST)
        assert reminded(now - SECOND) == []
        assert reminded(now) == ["trial_ending"]

    def test_a_yearly_renewal_at_the_very_instant(self, now) -> None:
        yearly(now, reminders.BEFORE_YEARLY)
        assert reminded(now - SECOND) == []
        assert reminded(now) == ["renewal_ahead"]

    def test_once_for_each_charge(self, now) -> None:
        subscription = yearly(now, reminders.BEFORE_YEARLY)
        assert reminded(now) == ["renewal_ahead"]
        assert reminded(now + timedelta(days=29)) == []
        later = now + timedelta(days=366)
        Subscription.objects.filter(pk=subscription.pk).update(
            paid_through=later + reminders.BEFORE_YEARLY
        )
        assert reminded(later) == ["renewal_ahead"]

    @pytest.mark.parametrize(
        "facts",
        [
            {"ends_at": datetime.fromisoformat("2026-11-28T08:20:00+00:00")},
            {"status": "paused"},
            {"status": "canceled"},
        ],
    )
    def test_what_is_not_charged_is_not_spoken_of(self, now, facts) -> None:
        trial(now, timedelta(days=5), **facts)
        yearly(now, timedelta(days=5), **facts)
        assert reminded(now) == []

    def test_a_month_is_too_short_for_a_reminder(self, now) -> None:
        yearly(now, timedelta(days=5), interval="month")
        assert reminded(now) == []

    def test_who_has_just_begun_was_told_by_the_receipt(self, now) -> None:
        trial(now, timedelta(days=5), created_at=now)
        assert reminded(now) == []

    def test_free_time_in_a_paid_year_is_no_trial(self, now) -> None:
        """Stripe says "trialing" for it, but the payer has paid before."""
        subscription = trial(now, timedelta(days=5), interval="year")
        Invoice.objects.create(
            stripe_invoice_id="in_1",
            subscription=subscription,
            status="paid",
            currency="usd",
            total=10000,
            amount_paid=10000,
            created_at=now,
        )
        assert reminded(now) == ["renewal_ahead"]

    def test_the_amount_is_what_will_be_charged(self, now) -> None:
        charge = now + timedelta(days=5)
        trial(now, timedelta(days=5), discounted_amount=500)
        trial(now, timedelta(days=5), discounted_amount=500, discount_ends_at=charge)
        reminded(now)
        said = DomainEvent.objects.filter(kind="trial_ending").order_by("id")
        assert [event.data["amount"] for event in said] == [500, 1000]
        assert said[0].data["charge_at"] == charge.isoformat()

    @pytest.mark.parametrize("created_at", [None, datetime.fromisoformat("2026-11-22T08:00:00Z")])
    def test_no_round_looks_twice_at_a_charge(self, now, created_at) -> None:
        """Whether there was something to tell, or not."""
        facts = {"created_at": created_at} if created_at else {}
        first = trial(now, timedelta(days=5), **facts)
        renewal = yearly(now, timedelta(days=5), **facts)
        assert seen(now) == [first.pk, renewal.pk]
        later = now + timedelta(days=1)
        assert seen(later) == []
        moved = later + timedelta(days=6)
        Subscription.objects.filter(pk=first.pk).update(trial_ends_at=moved)
        assert seen(later) == [first.pk]
        assert DomainEvent.objects.filter(kind="trial_ending").count() == (not created_at)

    def test_who_wants_the_renewal_again_is_reminded_late_rather_than_never(self, now) -> None:
        subscription = yearly(now, timedelta(days=40), ends_at=now + timedelta(days=40))
        later = now + timedelta(days=25)
        assert reminded(later) == []
        Subscription.objects.filter(pk=subscription.pk).update(ends_at=None)
        assert reminded(later) == ["renewal_ahead"]

    @pytest.mark.parametrize("index", ["subscription_trial_ends", "subscription_year_ends"])
    def test_what_was_seen_is_not_in_the_index(self, now, index) -> None:
        with CaptureQueriesContext(connection) as asked:
            reminders.due(now)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            plans = [plan_of(cursor, query["sql"]) for query in asked]
        [plan] = [plan for plan in plans if f" {index} " in plan]
        assert "reminded_for" not in plan  # The index itself has left them out.

    def test_it_looks_once_in_a_while(self, now) -> None:
        assert reminders.due(now) == []
        subscription = trial(now, timedelta(days=5))
        assert reminders.due(now + reminders.EVERY - SECOND) == []
        assert reminders.due(now + reminders.EVERY) == [subscription.pk]

    def test_the_payer_is_told_by_mail(self, moving_clock) -> None:
        subscription = trial(clock.now().replace(microsecond=0), timedelta(days=9))
        tasks.sweep()
        sweep()
        mail.outbox.clear()
        moving_clock.advance(days=1, minutes=1)
        tasks.sweep()
        sweep()
        assert subscription.customer
        assert [sent.to for sent in mail.outbox] == [[subscription.customer.payer.email]]
        assert "trial of Premium Connectivity ends on" in mail.outbox[0].subject


@pytest.mark.django_db(transaction=True)
def test_two_workers_remind_once(now) -> None:
    subscription = trial(now, timedelta(days=5))

    def work() -> None:
        reminders.remind(subscription.pk, now=now)
        connection.close()

    workers = [Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert DomainEvent.objects.filter(kind="trial_ending").count() == 1
    assert Customer.objects.count() == 1
