"""What staff can do: asked first, permitted, with a reason, audited; the second time is nothing."""

import random
import threading
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import IntegrityError, connection
from django.test import Client
from django.urls import reverse

from billing.models import Customer, Grant, Intent, Subject
from billing.models import DomainEvent as BillingEvent
from connectivity.accounts import moves
from connectivity.accounts.models import User
from connectivity.notices import outbox
from connectivity.notices.models import Notice
from fleet import keys, pairing
from fleet.models import Claim, Ownership, Vehicle
from tests import factories, staffed, vehicles_csv

pytestmark = pytest.mark.django_db

KEY = vehicles_csv.public_key(random.Random(1))
REASON = "Workshop order 4711, unit swapped; papers seen."


@pytest.fixture
def staff() -> Client:
    return staffed.sign_in(staffed.make_staff())


@pytest.fixture
def vehicle() -> Vehicle:
    return factories.make_car(factories.make_user()).vehicle


def address(name: str, row: Any) -> str:
    return reverse(f"admin:{name}", args=[row.pk])


def replace(client: Client, vehicle: Vehicle, **changes: str) -> Any:
    form = {"public_key": KEY, "reason": REASON, **changes}
    return client.post(address("fleet_vehicle_replace_key", vehicle), form)


def move(client: Client, user: Any, email: str, reason: str = REASON) -> Any:
    return client.post(address("accounts_user_move", user), {"email": email, "reason": reason})


class TestReplaceKey:
    def test_the_page_asks_and_changes_nothing(self, staff: Client, vehicle: Vehicle) -> None:
        before = vehicle.public_key
        text = staff.get(address("fleet_vehicle_replace_key", vehicle)).content.decode()
        assert vehicle.vin in text
        assert "stop working at once" in text
        vehicle.refresh_from_db()
        assert (vehicle.public_key, vehicle.credential_generation) == (before, 1)

    def test_the_new_unit_is_in_and_the_old_one_out_with_an_audit_row(
        self, staff: Client, now
    ) -> None:
        car = factories.make_car()
        assert car.sign_in().status_code == 200
        pairing.issue(car.vehicle, now=now)
        new = factories.make_car()
        key = new.vehicle.public_key
        Vehicle.objects.filter(pk=new.vehicle.pk).update(public_key="")  # A unit without a car.
        answer = replace(staff, car.vehicle, public_key=key)
        assert answer.status_code == 302
        stored = Vehicle.objects.get(pk=car.vehicle.pk)
        assert (stored.public_key, stored.credential_generation) == (key, 2)
        assert Subject.objects.get(pk=stored.pk).version == 2
        assert stored.pairings.get().voided_at is not None
        event = stored.events.get(kind="key_replaced")
        assert event.actor is not None
        assert event.data == {"reason": REASON, "generation": 2}
        assert car.sign_in().status_code == 400
        assert factories.Car(stored, new.key).sign_in().status_code == 200

    def test_another_cars_key_is_refused_without_saying_whose_it_is(
        self, staff: Client, vehicle: Vehicle
    ) -> None:
        other = factories.make_car().vehicle
        text = replace(staff, vehicle, public_key=other.public_key).content.decode()
        assert "Another car has this key." in text
        assert other.vin not in text
        vehicle.refresh_from_db()
        assert vehicle.public_key != other.public_key
        assert vehicle.credential_generation == 1

    def test_twice_is_once(self, staff: Client, vehicle: Vehicle) -> None:
        replace(staff, vehicle)
        answer = staff.post(
            address("fleet_vehicle_replace_key", vehicle),
            {"public_key": KEY, "reason": REASON},
            follow=True,
        )
        assert "nothing was changed" in answer.content.decode()
        vehicle.refresh_from_db()
        assert vehicle.credential_generation == 2
        assert vehicle.events.filter(kind="key_replaced").count() == 1

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"reason": ""}, "This field is required"),
            ({"reason": "swap"}, "at least 8 characters"),
            ({"reason": " " * 20}, "This field is required"),
            ({"public_key": ""}, "This field is required"),
            ({"public_key": KEY[:-1]}, "43 letters, digits"),
            ({"public_key": "A" * 43}, "placeholder"),
        ],
    )
    def test_it_is_refused_without_a_reason_or_a_key(
        self, staff: Client, vehicle: Vehicle, changes: dict, says: str
    ) -> None:
        answer = replace(staff, vehicle, **changes)
        assert answer.status_code == 200
        assert says in answer.content.decode()
        vehicle.refresh_from_db()
        assert vehicle.credential_generation == 1

    @pytest.mark.parametrize("group", ["Support", "Billing", "Auditor"])
    def test_only_those_who_may(self, group: str, vehicle: Vehicle) -> None:
        client = staffed.sign_in(staffed.make_staff(group))
        page = client.get(address("fleet_vehicle_change", vehicle)).content.decode()
        assert "Replace the car" not in page
        assert client.get(address("fleet_vehicle_replace_key", vehicle)).status_code == 403
        assert replace(client, vehicle).status_code == 403
        fleet = staffed.sign_in(staffed.make_staff("Fleet"))
        page = fleet.get(address("fleet_vehicle_change", vehicle)).content.decode()
        assert address("fleet_vehicle_replace_key", vehicle) in page
        assert replace(fleet, vehicle).status_code == 302

    def test_no_second_factor_no_action(self, vehicle: Vehicle) -> None:
        client = staffed.sign_in(staffed.make_staff(), shown_ago=None)
        assert replace(client, vehicle).status_code == 302
        vehicle.refresh_from_db()
        assert vehicle.credential_generation == 1

    def test_a_forged_form_is_refused(self, vehicle: Vehicle) -> None:
        client = staffed.sign_in(staffed.make_staff())
        client.handler.enforce_csrf_checks = True
        assert replace(client, vehicle).status_code == 403

    def test_a_removed_car_has_no_key_to_replace(
        self, staff: Client, vehicle: Vehicle, now
    ) -> None:
        Vehicle.objects.filter(pk=vehicle.pk).update(removed_at=now)
        text = staff.get(address("fleet_vehicle_replace_key", vehicle)).content.decode()
        assert "nothing to do here" in text
        replace(staff, vehicle)
        vehicle.refresh_from_db()
        assert vehicle.credential_generation == 1

    def test_an_unknown_car_is_not_found(self, staff: Client, vehicle: Vehicle) -> None:
        url = address("fleet_vehicle_replace_key", vehicle)
        assert staff.get(url.replace(str(vehicle.pk), "nonsense")).status_code == 404

    def test_the_objects_history_names_it(self, staff: Client, vehicle: Vehicle) -> None:
        replace(staff, vehicle)
        text = staff.get(address("fleet_vehicle_history", vehicle)).content.decode()
        assert "Replace the car" in text


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one(now) -> None:
    vehicle = factories.make_car().vehicle
    ready, done = threading.Barrier(2), []

    def act() -> None:
        try:
            ready.wait(5)
            done.append(
                keys.replace_key(
                    vehicle_id=vehicle.pk, public_key=KEY, reason=REASON, actor=None, now=now
                )
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=act) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert sorted(done) == [False, True]
    vehicle.refresh_from_db()
    assert vehicle.credential_generation == 2


class TestMoveAccount:
    @pytest.fixture
    def owner(self, vehicle: Vehicle) -> User:
        return vehicle.ownerships.get().owner

    def test_the_login_moves_and_both_addresses_are_told(
        self, staff: Client, owner: User, mailoutbox
    ) -> None:
        old = owner.email
        EmailAddress.objects.create(user=owner, email=old, verified=True, primary=True)
        Customer.objects.create(payer=owner, currency="usd", stripe_customer_id="cus_9")
        assert move(staff, owner, " New.Owner@Example.com ").status_code == 302
        owner.refresh_from_db()
        assert owner.email == "new.owner@example.com"
        addresses = EmailAddress.objects.filter(user=owner)
        assert addresses.values_list("email", "verified", "primary").get() == (
            "new.owner@example.com",
            True,
            True,
        )
        event = BillingEvent.objects.get(kind="account_moved")
        assert (event.payer, event.data["reason"]) == (owner, REASON)
        assert event.actor is not None
        told = set(Notice.objects.values_list("template", "recipient"))
        assert told == {
            ("account_moved_old", old),
            ("account_moved_new", "new.owner@example.com"),
        }
        intent = Intent.objects.get(kind="update_customer")
        assert intent.request == {"customer": "cus_9"}
        outbox.send_due(now=Notice.objects.latest("created_at").created_at + timedelta(seconds=1))
        assert {mail.to[0] for mail in mailoutbox} == {old, "new.owner@example.com"}
        assert {mail.subject for mail in mailoutbox} == {
            "Your account has moved to another email address",
            "Your account now signs in with this email address",
        }

    def test_every_session_ends_and_cars_and_grants_stay(self, staff: Client, owner: User) -> None:
        sessions = [staffed.sign_in(owner, shown_ago=None) for _ in range(2)]
        assert sessions[0].get(reverse("garage:list")).status_code == 200
        facts: list[Any] = [Ownership, Grant, Subject, Vehicle]
        before = [list(model.objects.order_by("pk").values()) for model in facts]
        move(staff, owner, "new@example.com")
        for session in sessions:
            assert session.get(reverse("garage:list")).status_code == 302
        assert [list(model.objects.order_by("pk").values()) for model in facts] == before
        assert staff.get("/admin/").status_code == 200

    def test_twice_is_once(self, staff: Client, owner: User) -> None:
        move(staff, owner, "new@example.com")
        move(staff, owner, "New@Example.com")
        assert BillingEvent.objects.filter(kind="account_moved").count() == 1
        assert Notice.objects.count() == 2

    def test_an_address_in_use_is_refused(self, staff: Client, owner: User) -> None:
        other = factories.make_user("taken@example.com")
        EmailAddress.objects.create(user=other, email="also@example.com", verified=True)
        for email in ("Taken@Example.com", "also@example.com"):
            answer = move(staff, owner, email)
            assert answer.status_code == 200
            assert "Another account has this address" in answer.content.decode()
        assert not BillingEvent.objects.filter(kind="account_moved").exists()
        assert not Notice.objects.exists()

    @pytest.mark.parametrize("email", ["", "nonsense", "a@b", "a@example.com\nbcc: b@example.com"])
    def test_what_is_no_address_is_refused(self, staff: Client, owner: User, email: str) -> None:
        old = owner.email
        assert move(staff, owner, email).status_code == 200
        owner.refresh_from_db()
        assert owner.email == old

    def test_support_moves_owners_but_no_staff(self, owner: User) -> None:
        supporter = staffed.make_staff("Support")
        client = staffed.sign_in(supporter)
        admin = staffed.make_staff()
        answer = move(client, admin, "mine@example.com")
        assert "only a superuser moves it" in answer.content.decode()
        assert User.objects.get(pk=admin.pk).email == admin.email
        assert move(client, owner, "new@example.com").status_code == 302

    @pytest.mark.parametrize("group", ["Billing", "Fleet", "Auditor"])
    def test_only_those_who_may(self, group: str, owner: User) -> None:
        client = staffed.sign_in(staffed.make_staff(group))
        assert move(client, owner, "new@example.com").status_code == 403

    @pytest.mark.django_db(transaction=True)
    def test_nothing_is_half_done(self, owner: User, now) -> None:
        """An actor who is no row fails the audit row, and with it the whole move."""
        stranger = User(email="x@example.com", is_superuser=True)
        with pytest.raises(IntegrityError, match="actor"):
            moves.move(
                user_id=owner.pk, email="new@example.com", reason=REASON, actor=stranger, now=now
            )
        assert User.objects.get(pk=owner.pk).email == owner.email
        assert not Notice.objects.exists()


class TestDecideClaim:
    @pytest.fixture
    def claim(self, vehicle: Vehicle, now) -> Claim:
        claimant = factories.make_user()
        return Claim.objects.create(vehicle=vehicle, claimant=claimant, opened_at=now)

    def decide(self, client: Client, claim: Claim, decision: str) -> Any:
        form = {"decision": decision, "reason": REASON}
        return client.post(address("fleet_claim_decide", claim), form)

    @pytest.mark.parametrize(("decision", "state"), [("grant", "granted"), ("refuse", "refused")])
    def test_staff_decide_with_a_reason(
        self, staff: Client, claim: Claim, decision: str, state: str
    ) -> None:
        owner = claim.vehicle.ownerships.get().owner
        assert self.decide(staff, claim, decision).status_code == 302
        claim.refresh_from_db()
        assert claim.state == state
        now_owner = Ownership.objects.get(vehicle=claim.vehicle, ends_at=None).owner
        assert now_owner == (claim.claimant if decision == "grant" else owner)
        event = claim.vehicle.events.get(kind=f"claim_{state}")
        assert event.data["reason"] == REASON

    def test_a_decided_one_is_not_decided_again(self, staff: Client, claim: Claim) -> None:
        self.decide(staff, claim, "refuse")
        answer = self.decide(staff, claim, "grant")
        assert "nothing to do here" in answer.content.decode()
        claim.refresh_from_db()
        assert claim.state == "refused"

    def test_billing_decides_no_claims(self, claim: Claim) -> None:
        client = staffed.sign_in(staffed.make_staff("Billing"))
        assert self.decide(client, claim, "grant").status_code == 403
