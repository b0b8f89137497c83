"""Stopping and resuming: what is paid stays to its last second, and each wish is told once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from billing import (
    clock,
    gateway,
    grants,
    policy,
    queries,
    renewal,
    standing,
    subscriptions,
    tasks,
)
from billing.models import DomainEvent, Grant, Intent, Seat, Subscription
from connectivity.notices import tasks as notices
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def car(stripe: Stripe, owner):
    """A car whose owner has just paid for a month, and was told so."""
    car = make_car(owner)
    stripe.pay(start(owner, car))
    eventually(Grant.objects.filter(subscription__status="active").first)
    notices.sweep()
    mail.outbox.clear()
    return car


def stop(car, payer) -> None:
    renewal.stop(payer=payer, subject_id=car.vehicle.id, now=clock.now())


def resume(car, payer) -> None:
    renewal.resume(payer=payer, subject_id=car.vehicle.id, now=clock.now())


def mirror() -> Subscription:
    return Subscription.objects.get()


def paid_through() -> datetime:
    paid = mirror().paid_through
    assert paid is not None
    return paid


def at_stripe(stripe: Stripe):
    return stripe.get(f"subscriptions/{mirror().stripe_subscription_id}")


def events() -> list[str]:
    kinds = DomainEvent.objects.filter(kind__startswith="renewal_").order_by("id")
    return list(kinds.values_list("kind", flat=True))


def subjects_of_mails() -> list[str]:
    notices.sweep()
    return [str(sent.subject).split(" for ")[0] for sent in mail.outbox]


STOPPED, RESUMED = "Premium Connectivity is cancelled", "You keep Premium Connectivity"


def test_stopping_keeps_what_is_paid_and_ends_the_grace(stripe: Stripe, owner, car) -> None:
    paid, version = paid_through(), queries.version(car.vehicle.id)
    assert Grant.objects.get().ends_at == paid + policy.GRACE
    stop(car, owner)
    assert at_stripe(stripe)["cancel_at_period_end"] is True
    assert mirror().ends_at == Grant.objects.get().ends_at == paid
    assert queries.version(car.vehicle.id) == version + 1
    stands = standing.standing(car.vehicle.id, payer=owner, now=clock.now())
    assert (stands.state, stands.plan, stands.next_charge_at) == ("ending", "premium", None)
    assert events() == ["renewal_stopped"]
    assert subjects_of_mails() == [STOPPED]
    assert f"until {paid:%b} {paid.day}, {paid.year}." in mail.outbox[0].body


def test_resuming_gives_the_grace_back(stripe: Stripe, owner, car) -> None:
    paid, version = paid_through(), queries.version(car.vehicle.id)
    stop(car, owner)
    resume(car, owner)
    assert at_stripe(stripe)["cancel_at"] is None
    assert mirror().renews
    assert Grant.objects.get().ends_at == paid + policy.GRACE
    assert queries.version(car.vehicle.id) == version + 2
    assert events() == ["renewal_stopped", "renewal_resumed"]
    assert subjects_of_mails() == [STOPPED, RESUMED]
    assert "$10.00" in mail.outbox[1].body


def test_each_wish_is_noted_once(stripe: Stripe, owner, car) -> None:
    resume(car, owner)
    assert events() == []
    for wish in (stop, stop, resume, resume, stop):
        wish(car, owner)
    assert events() == ["renewal_stopped", "renewal_resumed", "renewal_stopped"]
    wishes = Intent.objects.filter(kind=Intent.Kind.SET_RENEWAL).order_by("id")
    keys = [f"renewal:{mirror().stripe_subscription_id}:{number}" for number in (1, 2, 3)]
    assert [wish.idempotency_key for wish in wishes] == keys


def test_a_fetch_that_was_recorded_before_the_call_was_done_hides_no_wish(
    stripe: Stripe, owner, car, monkeypatch
) -> None:
    """Its time is later than the click's, and yet it could not see what the click did."""
    stop(car, owner)
    stripe.control("webhooks/hold")
    which, change, sync = mirror().stripe_subscription_id, gateway.set_renewal, subscriptions.sync

    def fetched_meanwhile(*args: Any, **options: Any) -> None:
        sync(which, now=clock.now())
        change(*args, **options)

    def killed(*_: Any, **__: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(gateway, "set_renewal", fetched_meanwhile)
    monkeypatch.setattr(subscriptions, "sync", killed)
    with pytest.raises(SystemExit):
        resume(car, owner)
    monkeypatch.undo()
    resume(car, owner)
    assert mirror().renews
    assert events() == ["renewal_stopped", "renewal_resumed"]


def test_many_tabs_at_once_stop_it_once(stripe: Stripe, owner, car) -> None:
    together = Barrier(6)

    def click() -> None:
        try:
            together.wait(10)
            stop(car, owner)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as tabs:
        clicks = [tabs.submit(click) for _ in range(6)]
    for made in clicks:
        if not isinstance(made.exception(), gateway.StripeAway):  # One key at a time, says Stripe.
            made.result()
    assert at_stripe(stripe)["cancel_at_period_end"] is True
    assert events() == ["renewal_stopped"]
    assert Intent.objects.filter(kind=Intent.Kind.SET_RENEWAL).count() == 1
    assert subjects_of_mails() == [STOPPED]


@pytest.mark.parametrize("fault", ["error", "error_after", "drop_after"])
def test_while_stripe_is_away_the_wish_is_kept(
    stripe: Stripe, owner, car, moving_clock, fault: str
) -> None:
    stripe.control("faults", kind=fault, times=9, method="POST", path="/v1/subscriptions/")
    with pytest.raises(renewal.StripeAway):
        stop(car, owner)
    assert events() == []
    assert subjects_of_mails() == []
    stripe.heal()
    moving_clock.advance(minutes=1)
    tasks.sweep()
    eventually(lambda: mirror().ends_at)
    assert mirror().ends_at == Grant.objects.get().ends_at == mirror().paid_through
    assert events() == ["renewal_stopped"]
    assert subjects_of_mails() == [STOPPED]


def test_of_two_wishes_that_wait_the_newer_counts(stripe: Stripe, owner, car, moving_clock) -> None:
    """The older one's next try may come later than the newer one's: it must never be made."""
    stripe.control("faults", kind="error", times=99, path="/v1/subscriptions/")
    for wish in (stop, stop, resume, resume):
        with pytest.raises(renewal.StripeAway):
            wish(car, owner)
    stripe.heal()
    for _ in range(2):
        moving_clock.advance(minutes=1)
        tasks.sweep()
    assert at_stripe(stripe)["cancel_at"] is None
    assert events() == ["renewal_resumed"]
    assert Intent.objects.filter(kind=Intent.Kind.SET_RENEWAL).count() == 2
    assert not Intent.objects.filter(answered_at=None).exists()


def test_an_end_that_the_portal_scheduled_is_undone_and_made_again(
    stripe: Stripe, owner, car
) -> None:
    """The portal sets an instant, and the mirror shows it; our own wishes go on from there."""
    stripe_id = mirror().stripe_subscription_id
    for _ in range(2):
        stripe.post(f"subscriptions/{stripe_id}", cancel_at=int(paid_through().timestamp()))
        subscriptions.sync(stripe_id, now=clock.now())
        stop(car, owner)
        resume(car, owner)
        assert at_stripe(stripe)["cancel_at"] is None
    assert events() == ["renewal_stopped", "renewal_resumed"] * 2


def test_it_ends_at_the_paid_instant_and_not_a_second_before(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    stop(car, owner)
    paid, second = paid_through(), timedelta(seconds=1)
    for instant, plan in ((paid - second, "premium"), (paid, "standard")):
        assert standing.standing(car.vehicle.id, payer=owner, now=instant).plan == plan
    moving_clock.advance(seconds=int((paid - clock.now()).total_seconds()) - 60)
    car.sign_in()
    assert car.plan() == "premium"
    moving_clock.advance(seconds=61)
    assert car.plan() == "standard"
    eventually(lambda: mirror().status == "canceled", 20)
    assert mirror().ends_at == paid == Grant.objects.get().ends_at
    assert not Seat.objects.exists()
    assert len(stripe.get("invoices")["data"]) == 1
    assert start(owner, car).startswith("http")


def test_an_ended_one_cannot_be_resumed(stripe: Stripe, owner, car, moving_clock) -> None:
    stop(car, owner)
    stripe.control("webhooks/hold")
    moving_clock.advance(days=32)
    for wish in (resume, stop):
        with pytest.raises(renewal.NotSubscribed, match="has ended"):
            wish(car, owner)
    subscriptions.sync(mirror().stripe_subscription_id, now=clock.now())
    with pytest.raises(renewal.NotSubscribed, match="no subscription"):
        resume(car, owner)
    assert events() == ["renewal_stopped"]


def test_one_that_ended_unheard_of_is_not_said_to_go_on(stripe: Stripe, owner, car) -> None:
    stop(car, owner)
    stripe.control("webhooks/hold")
    gateway.cancel_subscription(mirror().stripe_subscription_id, key="by hand")
    with pytest.raises(renewal.NotSubscribed, match="has ended"):
        resume(car, owner)
    assert mirror().status == "canceled"
    assert subjects_of_mails() == [STOPPED, "Premium Connectivity has ended"]


def test_where_no_paid_time_is_left_it_ends_now_and_nothing_more_is_charged(
    stripe: Stripe, owner, car, moving_clock
) -> None:
    """Stripe has turned the period and not charged yet; a card that failed stands the same."""
    moving_clock.advance(seconds=int((paid_through() - clock.now()).total_seconds()) + 60)
    assert at_stripe(stripe)["items"]["data"][0]["current_period_end"] > clock.now().timestamp()
    for _ in range(2):
        if Seat.objects.exists():
            stop(car, owner)
    assert at_stripe(stripe)["status"] == mirror().status == "canceled"
    assert not Seat.objects.exists()
    car.sign_in()
    assert car.plan() == "standard"
    moving_clock.advance(hours=3)
    tasks.sweep()
    paid = [invoice["amount_paid"] for invoice in stripe.get("invoices")["data"]]
    assert sorted(paid) == [0, 1000]
    assert stripe.get("refunds")["data"] == []
    assert events() == ["renewal_stopped"]
    assert subjects_of_mails() == [STOPPED]
    assert "has ended" in mail.outbox[0].body


@pytest.fixture
def trial(stripe: Stripe, owner, moving_clock):
    """A car that was bought during its trial, with a card that every charge fails."""
    car, now = make_car(owner), clock.now().replace(microsecond=0)
    gift = grants.Gift(car.vehicle.id, "premium", "trial", now, now + timedelta(days=12))
    grants.give(gift, now=now)
    stripe.pay(start(owner, car), "4000000000000341")
    eventually(Subscription.objects.filter(status="trialing").first)
    return car


def test_stopped_during_the_trial_nothing_is_ever_charged(
    stripe: Stripe, owner, trial, moving_clock
) -> None:
    stop(trial, owner)
    assert mirror().ends_at == mirror().trial_ends_at == paid_through()
    moving_clock.advance(days=13)
    eventually(lambda: mirror().status == "canceled", 20)
    assert sum(invoice["amount_due"] for invoice in stripe.get("invoices")["data"]) == 0


def test_after_a_failed_payment_it_ends_now_with_its_grace(
    stripe: Stripe, owner, trial, moving_clock
) -> None:
    moving_clock.advance(days=12, hours=2)
    eventually(lambda: mirror().status == "past_due", 20)
    trial.sign_in()
    assert trial.plan() == "premium"
    stop(trial, owner)
    assert at_stripe(stripe)["status"] == mirror().status == "canceled"
    # Whoever is telling the site of an earlier change tells it of this one, too.
    eventually(lambda: trial.plan() == "standard")
    assert events() == ["renewal_stopped"]
    assert sum(invoice["amount_paid"] for invoice in stripe.get("invoices")["data"]) == 0


@pytest.mark.parametrize("wish", [stop, resume])
def test_nobody_else_can_change_it(stripe: Stripe, owner, car, wish) -> None:
    with pytest.raises(renewal.NotSubscribed):
        wish(car, make_user())
    with pytest.raises(renewal.NotSubscribed):
        wish(make_car(owner), owner)
    assert mirror().renews
