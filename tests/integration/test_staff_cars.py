"""What staff can do to cars: give days, tell once more, take out of service and put back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing import clock, grants, queries
from billing.models import DomainEvent, Grant, Intent, Seat, Subscription
from fleet import delivery, garage, pairing
from fleet.models import Claim, Delivery, Vehicle
from tests import factories, staffed
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db

REASON = "Letter of 4 March, papers seen; agreed with the workshop."
DAY = timedelta(days=1)


@pytest.fixture
def staff() -> Client:
    return staffed.sign_in(staffed.make_staff())


@pytest.fixture
def owner() -> Any:
    return factories.make_user()


@pytest.fixture
def car(owner: Any) -> factories.Car:
    return factories.make_car(owner)


def address(action: str, car: factories.Car) -> str:
    return reverse(f"admin:fleet_vehicle_{action}", args=[car.vehicle.pk])


def token_of(client: Client, url: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get(url).content.decode())
    assert found is not None
    return found[1]


def give(client: Client, car: factories.Car, token: str = "", **form: Any) -> Any:
    url = address("goodwill", car)
    form = {"days": 10, "begins": "now", "reason": REASON, **form}
    return client.post(url, {**form, "token": token or token_of(client, url)}, follow=True)


def retire(client: Client, car: factories.Car, **form: Any) -> Any:
    form = {"vin": car.vehicle.vin[-6:], "reason": REASON, **form}
    return client.post(address("retire", car), form, follow=True)


def second() -> Any:
    return clock.now().replace(microsecond=0)


def test_days_are_given_from_now_and_the_owner_is_to_be_told(
    staff: Client, car: factories.Car, owner: Any
) -> None:
    version = queries.version(car.vehicle.id)
    assert "has Premium until" in give(staff, car).content.decode()
    gift = Grant.objects.get()
    assert (gift.plan, gift.source) == ("premium", "goodwill")
    assert gift.ends_at == gift.starts_at + 10 * DAY
    assert queries.version(car.vehicle.id) == version + 1
    car.sign_in()
    assert car.plan() == "premium"
    event = DomainEvent.objects.get(kind="grant_given")
    assert (event.payer, event.noticed_at, event.data["reason"]) == (owner, None, REASON)
    assert event.actor is not None
    assert event.data["until"] == gift.ends_at.isoformat()


def test_a_double_click_gives_once_and_two_forms_give_twice(
    staff: Client, car: factories.Car
) -> None:
    token = token_of(staff, address("goodwill", car))
    give(staff, car, token)
    assert "given before" in give(staff, car, token).content.decode()
    assert Grant.objects.count() == 1
    give(staff, car, begins="afterwards")
    first, then = Grant.objects.order_by("id")
    assert (then.starts_at, then.ends_at) == (first.ends_at, first.starts_at + 20 * DAY)


@pytest.mark.parametrize(
    "form", [{"days": 0}, {"days": 366}, {"days": ""}, {"reason": ""}, {"begins": "then"}]
)
def test_nothing_is_given_without_a_reason_or_for_other_days(
    staff: Client, car: factories.Car, form: dict[str, Any]
) -> None:
    assert give(staff, car, **form).status_code == 200
    assert not Grant.objects.exists()


def test_a_car_that_has_it_for_good_is_given_nothing(staff: Client, car: factories.Car) -> None:
    grants.give(grants.Gift(car.vehicle.id, "premium", "factory", second(), None), now=clock.now())
    assert "without an end" in give(staff, car).content.decode()
    assert Grant.objects.count() == 1


def test_a_car_without_a_modem_is_given_nothing(staff: Client) -> None:
    car = factories.make_car(hardware="none")
    assert "nothing to do here" in staff.get(address("goodwill", car)).content.decode()


def test_a_gift_is_ended_early_and_once(staff: Client, car: factories.Car) -> None:
    give(staff, car)
    url = reverse("admin:billing_grant_end", args=[Grant.objects.get().pk])
    for _ in range(2):
        assert staff.post(url, {"reason": REASON}).status_code == 302
    gift = Grant.objects.get()
    assert gift.ends_at is not None
    assert gift.ends_at <= second()
    event = DomainEvent.objects.get(kind="grant_ended")
    assert event.data == {"source": "goodwill", "reason": REASON}
    assert event.actor is not None


def test_what_came_with_the_car_is_not_ended_so(staff: Client, car: factories.Car) -> None:
    grants.give(grants.Gift(car.vehicle.id, "premium", "factory", second(), None), now=clock.now())
    url = reverse("admin:billing_grant_end", args=[Grant.objects.get().pk])
    assert "nothing to do here" in staff.post(url, {"reason": REASON}).content.decode()
    assert Grant.objects.get().ends_at is None


@pytest.mark.parametrize(
    ("group", "may"),
    [
        ("Support", {"goodwill", "resend"}),
        ("Billing", {"goodwill"}),
        ("Fleet", {"resend", "retire"}),
        ("Auditor", set()),
    ],
)
def test_only_those_who_may(car: factories.Car, group: str, may: set[str]) -> None:
    client = staffed.sign_in(staffed.make_staff(group))
    for action in ("goodwill", "resend", "retire", "reinstate", "replace_key"):
        allowed = {*may, *({"reinstate", "replace_key"} if group == "Fleet" else ())}
        answer = client.post(address(action, car), {})
        assert answer.status_code == (200 if action in allowed else 403), action
    assert not Grant.objects.exists()
    assert Vehicle.objects.get().removed_at is None


class TestRetire:
    @pytest.fixture
    def claim(self, car: factories.Car) -> Claim:
        claimant = factories.make_user()
        return Claim.objects.create(vehicle=car.vehicle, claimant=claimant, opened_at=clock.now())

    def test_nothing_of_the_car_goes_on(
        self, staff: Client, car: factories.Car, owner: Any, claim: Claim
    ) -> None:
        give(staff, car)
        grants.give(
            grants.Gift(car.vehicle.id, "premium", "factory", second(), None), now=clock.now()
        )
        pairing.issue(car.vehicle, now=clock.now())
        car.sign_in()
        assert car.plan() == "premium"
        version = queries.version(car.vehicle.id)
        assert "out of service" in retire(staff, car).content.decode()
        vehicle = Vehicle.objects.get()
        assert vehicle.removed_at is not None
        assert queries.version(vehicle.id) > version
        assert not vehicle.ownerships.filter(ends_at=None).exists()
        assert vehicle.pairings.get().voided_at is not None
        claim.refresh_from_db()
        assert claim.state == "refused"
        assert not Grant.objects.filter(ends_at=None).exists()
        assert not Grant.objects.filter(ends_at__gt=second()).exists()
        event = vehicle.events.get(kind="vehicle_retired")
        assert (event.data["owner"], event.data["reason"]) == (str(owner.pk), REASON)
        assert event.actor is not None

    @pytest.mark.parametrize("told", [True, False])
    def test_the_edge_refuses_its_key_and_its_token(
        self, staff: Client, car: factories.Car, *, told: bool
    ) -> None:
        car.sign_in()
        car.plan()
        retire(staff, car)
        if told:
            delivery.publish("local", now=clock.now())
            assert car.check().status_code == 401
        assert car.sign_in().status_code == 400
        assert car.call("POST", "/vehicle/v1/pairing").status_code == 401
        assert car.report().status_code == 401

    def test_twice_is_once(self, staff: Client, car: factories.Car) -> None:
        retire(staff, car)
        assert "nothing to do here" in retire(staff, car).content.decode()
        vehicle_id, now = car.vehicle.pk, clock.now()
        assert not garage.retire(vehicle_id=vehicle_id, reason=REASON, actor=None, now=now)
        assert car.vehicle.events.filter(kind="vehicle_retired").count() == 1

    @pytest.mark.parametrize("form", [{"vin": "000000"}, {"vin": ""}, {"reason": ""}])
    def test_it_stays_without_a_reason_or_with_the_papers_of_another_car(
        self, staff: Client, car: factories.Car, form: dict[str, str]
    ) -> None:
        assert retire(staff, car, **form).status_code == 200
        assert Vehicle.objects.get().removed_at is None

    def test_a_mistake_is_undone_as_far_as_it_can_be(
        self, staff: Client, car: factories.Car
    ) -> None:
        give(staff, car)
        ends_at = Grant.objects.get().ends_at
        grants.give(
            grants.Gift(car.vehicle.id, "premium", "factory", second(), None), now=clock.now()
        )
        retire(staff, car)
        for _ in range(2):
            staff.post(address("reinstate", car), {"reason": REASON})
        left = Grant.objects.order_by("id")[2:]
        assert [(gift.source, gift.ends_at) for gift in left] == [
            ("goodwill", ends_at),
            ("factory", None),
        ]
        assert car.sign_in().status_code == 200
        assert car.plan() == "premium"
        assert not car.vehicle.ownerships.filter(ends_at=None).exists()
        assert car.vehicle.events.filter(kind="vehicle_reinstated").count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_its_owner_paid_for_ends_with_it_and_goes_back(
    stripe: Stripe, staff: Client, owner: Any, car: factories.Car
) -> None:
    stripe.pay(start(owner, car))
    eventually(Grant.objects.filter(subscription__status="active").first)
    retire(staff, car)
    assert not Seat.objects.exists()
    intents = Intent.objects.filter(answered_at=None).values_list("kind", flat=True)
    assert set(intents) >= {"cancel_subscription", "refund_subscription"}
    assert Grant.objects.filter(ends_at__lte=clock.now()).count() == 1
    assert Subscription.objects.get().subject_id == car.vehicle.id


def test_it_is_told_once_more_and_twice_in_a_row_is_once(
    staff: Client, car: factories.Car, moving_clock: Any
) -> None:
    delivery.publish("local", now=clock.now())
    moving_clock.advance(minutes=5)
    version = queries.version(car.vehicle.id)
    for _ in range(2):
        assert staff.post(address("resend", car), {"reason": REASON}).status_code == 302
        delivery.publish("local", now=clock.now())
    assert queries.version(car.vehicle.id) == version + 1
    assert Delivery.objects.filter(version=version + 1).count() == 1
    event = car.vehicle.events.get(kind="delivery_resent")
    assert event.data == {"reason": REASON, "version": version + 1}
    assert event.actor is not None


def test_the_story_names_who_did_what(staff: Client, car: factories.Car) -> None:
    give(staff, car)
    retire(staff, car)
    page = staff.get(address("change", car)).content.decode()
    story = page[page.index("What happened") :]
    for part in ("premium by goodwill until", "vehicle retired: 1 gifts ended", REASON, "@"):
        assert part in story, part
