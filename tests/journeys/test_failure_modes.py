"""The twelve ways in which webhooks and calls go wrong, each by name; docs/webhooks.md lists them.

Two are tried where they need threads or dead keys: concurrent checkout in
tests/integration/test_at_once.py, and a call whose answer was not heard in
tests/integration/billing/test_intents_faults.py.
"""

import json
import time
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client, override_settings

from billing import gateway, reconcile, subjects, tasks, webhooks
from billing.models import Change, StripeEvent, Subscription
from sandbox.stripe.webhooks import signature
from tests.journeys.dashboard import Dashboard
from tests.journeys.journey import MONTHLY, Journey
from tests.journeys.staff import Staff
from tests.journeys.telling import STANDARD, Given, at, fact, premium

BEGIN, APRIL, MAY = at("2027-03-01 09:00"), at("2027-04-01 09:00"), at("2027-05-01 09:00")
CALLED = at("2027-03-10 12:00")
GRACE, DRAFT, SECOND = timedelta(days=7), timedelta(hours=1), timedelta(seconds=1)
PAID = Given("subscription", BEGIN, APRIL + GRACE)
UPDATED = "customer.subscription.updated"


@pytest.fixture
def paying(journey: Journey) -> Journey:
    """A journey whose first month is paid."""
    journey.has_subscribed(MONTHLY)
    started(journey)
    journey.goes_to(CALLED)
    return journey


def started(journey: Journey, *, charges: tuple[str, ...] = ("$10.00",)) -> None:
    """State the beginning of a subscription."""
    journey.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=list(charges),
        grants=[PAID],
        car=premium(until=APRIL + GRACE),
    )


def stopped(journey: Journey) -> None:
    """State that an end was scheduled."""
    journey.expect(
        events=[fact("renewal_stopped", paid_through=APRIL), fact("grant_changed", ends_at=APRIL)],
        mails=["cancel_scheduled"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )


def cancelled(journey: Journey) -> None:
    """Staff end it at once."""
    Staff(journey.world).cancels(Subscription.objects.get(), "none")
    journey.expect(
        events=["cancelled_now", "subscription_canceled"],
        mails=["cancelled_now"],
        grants=[Given("subscription", BEGIN, CALLED)],
        car=STANDARD,
    )


def sent(body: dict[str, Any], *, secrets: list[str] | None = None, at_: int | None = None) -> int:
    """Send an event to the webhook's address; the answer's status."""
    text = json.dumps(body)
    signed = signature(
        text, secrets or settings.STRIPE_WEBHOOK_SECRETS[:1], at_ or int(time.time())
    )
    headers = {"Stripe-Signature": signed}
    address = "/billing/webhook/"
    return (
        Client().post(address, text, content_type="application/json", headers=headers).status_code
    )


def kept(kind: str) -> dict[str, Any]:
    """The oldest event of a kind that has come here, as Stripe sent it."""
    return dict(StripeEvent.objects.filter(type=kind).earliest("id").payload)


def ends_at_stripe(journey: Journey) -> Dashboard:
    """Somebody schedules the end in Stripe's dashboard."""
    dashboard = Dashboard(journey.world)
    dashboard.does(f"subscriptions/{dashboard.subscription()['id']}", cancel_at_period_end="true")
    return dashboard


def test_1_duplicate_delivery(journey: Journey) -> None:
    """Each event three times: it is stored once, and its effect is there once."""
    journey.world.webhooks.hold()
    journey.subscribes(MONTHLY)
    made = len(journey.world.webhooks.waiting())
    journey.world.webhooks.deliver(times=3)
    journey.world.webhooks.flow()
    journey.world.settle()

    started(journey)
    assert StripeEvent.objects.filter(received_at__gte=BEGIN).count() >= made


def test_2_out_of_order(journey: Journey) -> None:
    """`updated` before `created` and all in the same second: what is true is fetched."""
    journey.world.webhooks.hold()
    journey.subscribes(MONTHLY)
    journey.world.webhooks.deliver(order=lambda each: list(reversed(each)))
    journey.world.webhooks.flow()
    journey.world.settle()

    started(journey)


def test_3_resurrection_of_a_cancelled_subscription(paying: Journey) -> None:
    """Old events say `active` of what has ended: it stays ended."""
    cancelled(paying)
    late_events(paying)
    assert Subscription.objects.get().status == "canceled"


def late_events(journey: Journey) -> None:
    """Events of the beginning come anew: each is read, and nothing comes back."""
    for kind in ("checkout.session.completed", "customer.subscription.created", "invoice.paid"):
        late = kept(kind)
        assert sent({**late, "id": f"{late['id']}Late"}) == 200
    journey.world.settle()
    journey.expect()
    assert not StripeEvent.objects.filter(state="received").exists()


def test_3_resurrection_before_stripe_has_confirmed_the_end(paying: Journey) -> None:
    """Even while Stripe itself still says `active`."""
    faults = paying.world.sandbox.faults
    faults.plant("error", times=99, method="DELETE", path="/v1/subscriptions/")
    Staff(paying.world).cancels(Subscription.objects.get(), "none")
    ended = [Given("subscription", BEGIN, CALLED)]
    paying.expect(events=["cancelled_now"], mails=["cancelled_now"], grants=ended, car=STANDARD)
    assert Dashboard(paying.world).subscription()["status"] == "active"

    late_events(paying)

    faults.clear()
    paying.goes_to(CALLED + DRAFT)
    paying.expect(events=["subscription_canceled"])


def test_4_lost_event(paying: Journey) -> None:
    """Never delivered: the list of events is read every three minutes."""
    paying.world.webhooks.hold()
    ends_at_stripe(paying)
    paying.world.webhooks.drop()
    paying.world.webhooks.flow()
    tasks.catch_up()
    paying.expect()  # It may still be on its way.
    paying.goes_to(CALLED + timedelta(minutes=3))
    paying.expect()

    tasks.catch_up()

    paying.world.settle()
    stopped(paying)


def test_4_lost_event_after_a_month(paying: Journey) -> None:
    """Stripe lists events for 30 days; what is older is found by comparing everything."""
    paying.world.webhooks.hold()
    ends_at_stripe(paying)
    paying.world.webhooks.drop()
    StripeEvent.objects.all().delete()
    only = {"subscriptions": reconcile.STAGES["subscriptions"]}
    with mock.patch.object(reconcile.run, "STAGES", only):
        run = reconcile.begin(repairs=True, now=paying.now)
        while reconcile.step(run, reconcile.Pace(lambda: paying.now)):
            pass
    paying.world.settle()
    stopped(paying)
    paying.world.webhooks.flow()


def test_5_replay_after_months(paying: Journey) -> None:
    """A captured one is refused by its time; one that is signed anew is known already."""
    captured, then = kept("invoice.paid"), int(time.time())
    cancelled(paying)
    paying.goes_to(MAY)

    assert sent(captured, at_=then) == 400
    assert sent(captured) == 200
    paying.world.settle()

    paying.expect()
    assert StripeEvent.objects.filter(stripe_event_id=captured["id"]).count() == 1


def test_5_replay_from_the_future(paying: Journey) -> None:
    """Stripe's library takes any time to come; we take five minutes."""
    body, now = kept("invoice.paid"), int(time.time())
    assert [sent(body, at_=now + ahead) for ahead in (300, 301, 3600)] == [200, 400, 400]
    assert [sent(body, at_=now - ago) for ago in (300, 301)] == [200, 400]


def test_6_secret_rotation(paying: Journey) -> None:
    """Rolled at Stripe, then here, then ended there: no event is lost on the way."""
    [old, *_] = settings.STRIPE_WEBHOOK_SECRETS
    dashboard = Dashboard(paying.world)
    dashboard.controls("webhooks/roll", secret="whsec_new")
    ends_at_stripe(paying)  # Signed with both; we know the old one.
    stopped(paying)

    with override_settings(STRIPE_WEBHOOK_SECRETS=["whsec_new", old]):
        dashboard.controls("webhooks/roll")  # The old one is over.
        Staff(paying.world).cancels(Subscription.objects.get(), "none")
        paying.expect(
            events=["cancelled_now", "subscription_canceled"],
            mails=["cancelled_now"],
            grants=[Given("subscription", BEGIN, CALLED)],
            car=STANDARD,
        )
        deleted = kept("customer.subscription.deleted")
        assert sent(deleted, secrets=["whsec_other"]) == 400
    assert sent(deleted, secrets=["whsec_new"]) == 400


def test_7_api_version_skew(paying: Journey) -> None:
    """Parked and answered 200, never misread; see test_api_versions.py for how it is read."""
    dashboard = Dashboard(paying.world)
    dashboard.controls("settings", event_api_version="2024-06-20")
    ends_at_stripe(paying)

    paying.expect()
    parked = StripeEvent.objects.get(type=UPDATED, api_version="2024-06-20")
    assert (parked.state, gateway.API_VERSION) == ("parked", "2026-10-28.endive")


def test_9_clock_skew_at_the_period_boundary(paying: Journey) -> None:
    """The renewal's events come after the period's end: grace bridges it."""
    paying.world.webhooks.hold()
    paying.at_boundary(APRIL, before="premium", after="premium")
    paying.goes_to(APRIL + DRAFT)
    paying.expect(charges=["$10.00"])
    paying.at_boundary(APRIL + GRACE, before="premium", after="standard")
    paying.expect(car=STANDARD)  # Seven days without a word of Stripe's: this far, no further.

    paying.world.webhooks.flow()
    paying.world.settle()

    paying.expect(
        events=[fact("grant_changed", ends_at=MAY + GRACE)],
        grants=[Given("subscription", BEGIN, MAY + GRACE)],
        car=premium(until=MAY + GRACE),
    )


def test_10_partial_outage_postgresql_rolls_back(paying: Journey) -> None:
    """It goes away while the sync commits: nothing of it is there, and the event is tried again."""
    paying.world.webhooks.hold()
    ends_at_stripe(paying)
    with mock.patch.object(subjects, "_tell_after_commit", side_effect=OperationalError("gone")):
        paying.world.webhooks.deliver(which=[UPDATED])
    paying.expect(errors=["enqueue_failed: django.db.utils.OperationalError: gone"])
    assert Subscription.objects.get().ends_at is None
    waiting = StripeEvent.objects.get(state="received")
    assert (waiting.attempts, waiting.error) == (1, "OperationalError: gone")

    paying.world.webhooks.flow()
    paying.goes_to(waiting.next_attempt_at)
    stopped(paying)


def test_10_partial_outage_redis_is_away(paying: Journey) -> None:
    """Committed but not told: the outbox keeps it until the sweep can tell the site."""
    paying.world.webhooks.hold()
    ends_at_stripe(paying)
    with override_settings(SITES={"local": "redis://localhost:1/0"}):
        paying.world.webhooks.deliver()
        assert Change.objects.filter(site="local").exists()
    paying.world.webhooks.flow()
    paying.world.settle()
    assert not Change.objects.exists()
    stopped(paying)


def test_10_partial_outage_the_broker_is_away(paying: Journey) -> None:
    """The event is committed before it is answered, and the sweep finds it."""
    away = mock.patch.object(tasks.process_event, "delay_on_commit", side_effect=OSError("away"))
    paying.world.webhooks.hold()
    ends_at_stripe(paying)
    with away:
        paying.world.webhooks.deliver()
    assert webhooks.due(paying.now) != []

    paying.world.webhooks.flow()
    paying.world.settle()
    paying.expect(
        events=[fact("renewal_stopped", paid_through=APRIL), fact("grant_changed", ends_at=APRIL)],
        mails=["cancel_scheduled"],
        errors=["enqueue_failed: OSError: away"],
        grants=[Given("subscription", BEGIN, APRIL)],
        car=premium(until=APRIL),
    )


def test_12_refund_dispute_and_cancel_interplay(paying: Journey) -> None:
    """One car's payment is refunded, disputed and lost; the payer's other car keeps all."""
    other = paying.another_car()
    paying.owner.opens_checkout(other, MONTHLY)
    paying.owner.pays()
    end = at("2027-04-10 12:00") + GRACE
    paying.expect(
        events=["checkout_started", "grant_given", "subscription_active"],
        mails=["premium_started"],
        charges=["$10.00"],
        of=other,
        grants=[Given("subscription", CALLED, end)],
        car=premium(until=end),
    )
    dashboard = Dashboard(paying.world)
    dashboard.does("refunds", payment_intent=dashboard.payment(1), amount=300)
    paying.expect(events=["refunded"], mails=["refunded_kept"], refunds=["$3.00"])
    paying.cancels()
    stopped(paying)
    dispute = dashboard.disputes(nth=1)
    paying.expect(events=["dispute_opened"], mails=["dispute_opened"])

    dashboard.decides(dispute, "lost")

    paying.expect(
        events=[fact("grant_changed", ends_at=CALLED), "dispute_lost", "subscription_canceled"],
        mails=["dispute_lost"],
        grants=[Given("subscription", BEGIN, CALLED)],
        car=STANDARD,
    )
    paying.expect(of=other)
    paying.goes_to(at("2027-04-10 13:00"))
    end = at("2027-05-10 12:00") + GRACE
    paying.expect(
        events=[fact("grant_changed", of=other, ends_at=end)],
        charges=["$10.00"],
        of=other,
        grants=[Given("subscription", CALLED, end)],
        car=premium(until=end),
    )
