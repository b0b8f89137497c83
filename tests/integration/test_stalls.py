"""What stands still is said, to staff on every page and to whoever asks for readiness."""

import json
from datetime import timedelta
from typing import Any

import pytest

from billing.models import Change, Intent, StripeEvent
from connectivity.notices.models import Notice
from connectivity.stalls import stalls
from fleet.models import Delivery
from tests import factories, staffed

pytestmark = pytest.mark.django_db


def an_event(at: Any) -> None:
    StripeEvent.objects.create(
        stripe_event_id="evt_waiting", type="x", payload={}, received_at=at, next_attempt_at=at
    )


def an_intent(at: Any) -> None:
    Intent.objects.create(
        kind="refund_subscription",
        idempotency_key="k",
        request={},
        created_at=at,
        next_attempt_at=at,
    )


def a_change(at: Any) -> None:
    vehicle = factories.make_car().vehicle
    Change.objects.filter(subject_id=vehicle.pk).delete()
    Change.objects.create(subject_id=vehicle.pk, site="local", version=1, created_at=at)


def a_delivery(at: Any) -> None:
    vehicle = factories.make_car().vehicle
    Change.objects.all().delete()
    Delivery.objects.filter(vehicle=vehicle).delete()
    Delivery.objects.create(
        vehicle=vehicle, version=9, reference="BBBBBBBB", plan="premium", changed_at=at
    )


def a_mail(at: Any) -> None:
    Notice.objects.create(
        source="fleet",
        event_id=1,
        template="claim_opened",
        recipient="a@example.com",
        language="en",
        created_at=at,
        next_attempt_at=at,
    )


KINDS = {
    "inbox": an_event,
    "intents": an_intent,
    "outbox": a_change,
    "deliveries": a_delivery,
    "mails": a_mail,
}


@pytest.mark.parametrize("what", KINDS)
def test_what_waits_for_longer_than_a_minute_stands_still(what: str, now) -> None:
    KINDS[what](now - timedelta(seconds=90))
    (stall,) = stalls(now)
    assert (stall.what, stall.count, stall.oldest_age_seconds) == (what, 1, 90)
    assert "worker" in stall.what_to_do


@pytest.mark.parametrize("what", KINDS)
def test_what_waits_for_less_does_not(what: str, now) -> None:
    KINDS[what](now - timedelta(seconds=30))
    assert stalls(now) == []


def test_a_parked_event_stands_still_until_people_move_it(now) -> None:
    an_event(now)
    StripeEvent.objects.update(state="parked")
    (stall,) = stalls(now)
    assert (stall.what, stall.count) == ("parked", 1)
    assert "read them again" in stall.what_to_do
    StripeEvent.objects.update(state="ignored")
    assert stalls(now) == []


@pytest.mark.parametrize(("attempts", "due_in", "stands"), [(0, 9, 0), (1, 9, 1), (0, -2, 1)])
def test_an_event_that_waits_on_purpose_does_not_stand_still(
    now, attempts: int, due_in: int, stands: int
) -> None:
    an_event(now - timedelta(minutes=5))
    due_at = now + timedelta(minutes=due_in)
    StripeEvent.objects.update(attempts=attempts, next_attempt_at=due_at)
    assert len(stalls(now)) == stands


def test_staff_see_it_on_every_page_and_owners_nowhere(now) -> None:
    staff = staffed.sign_in(staffed.make_staff())
    paths = ("/admin/", "/admin/fleet/vehicle/", "/admin/billing/")
    assert not any("Standing still" in staff.get(path).content.decode() for path in paths)
    an_event(now - timedelta(days=400))
    assert all("Standing still" in staff.get(path).content.decode() for path in paths)
    owner = staffed.sign_in(factories.make_user(), shown_ago=None)
    assert "Standing still" not in owner.get("/garage/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_readyz_says_it_and_stays_ready(client, now) -> None:
    """A slow Stripe is no reason to take the web servers out of rotation."""
    answer = client.get("/readyz")
    assert (answer.status_code, json.loads(answer.content)["stalled"]) == (200, [])
    an_event(now - timedelta(days=400))
    answer = client.get("/readyz")
    said = json.loads(answer.content)
    assert (answer.status_code, said["ready"], said["status"]) == (200, True, "degraded")
    assert [stall["what"] for stall in said["stalled"]] == ["inbox"]
