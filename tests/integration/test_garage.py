"""Who gets, keeps and loses a car."""

from datetime import date, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection

from billing import subjects
from billing.models import DomainEvent as Ledger
from billing.models import Grant, Intent, Seat, Subscription
from fleet import garage, pairing
from fleet.models import Claim, DomainEvent, Ownership, Pairing, PairingAttempt, Vehicle
from fleet.vin import Vin

pytestmark = pytest.mark.django_db

VIN = Vin.parse("5YJ3E1EA0KF000316")
OTHER_VIN = Vin.parse("5YJ3E1EA2KF000317")


@pytest.fixture
def vehicle(now) -> Vehicle:
    return make_vehicle(VIN, now)


def make_vehicle(vin, now, **facts) -> Vehicle:
    vehicle = Vehicle.objects.create(
        **{
            "vin": vin.text,
            "model": "model_3",
            "hardware": "mcu3",
            "market": "US",
            "delivered_on": date(2026, 11, 1),
            **facts,
        }
    )
    subjects.create([vehicle.id], now=now)
    return vehicle


@pytest.fixture
def person(django_user_model):
    return lambda name: django_user_model.objects.create_user(f"{name}@example.com")


@pytest.fixture
def owner(person):
    return person("owner")


@pytest.fixture
def buyer(person):
    return person("buyer")


def add(vehicle, who, now):
    code = pairing.issue(vehicle, now=now).user_code
    return garage.add(owner=who, vin=Vin.parse(vehicle.vin), code=code, now=now)


def owners(vehicle) -> list[str]:
    return [o.owner.email for o in vehicle.ownerships.filter(ends_at=None)]


def happened(vehicle) -> list[str]:
    return list(
        DomainEvent.objects.filter(vehicle=vehicle).order_by("id").values_list("kind", flat=True)
    )


def test_the_code_on_the_screen_puts_a_car_into_the_garage(vehicle, owner, now):
    outcome = add(vehicle, owner, now)

    assert outcome == garage.Added(vehicle)
    assert owners(vehicle) == ["owner@example.com"]
    assert happened(vehicle) == ["vehicle_added"]
    event = DomainEvent.objects.get()
    assert (event.actor, event.data, event.at) == (owner, {"owner": str(owner.pk)}, now)


def test_a_wrong_code_changes_nothing_but_is_counted(vehicle, owner, now):
    pairing.issue(vehicle, now=now)

    with pytest.raises(pairing.WrongCode):
        garage.add(owner=owner, vin=VIN, code="BBBBBBBB", now=now)

    assert owners(vehicle) == []
    assert PairingAttempt.objects.get().vin == VIN.text


def test_unknown_foreign_removed_and_wrong_look_the_same(vehicle, owner, buyer, now):
    add(vehicle, owner, now)
    gone = make_vehicle(Vin.parse("5YJ3E1EA4KF000318"), now)
    code = pairing.issue(gone, now=now).user_code
    Vehicle.objects.filter(pk=gone.pk).update(removed_at=now)
    said = set()
    tries = ((OTHER_VIN, "BBBBBBBB"), (VIN, "BBBBBBBB"), (Vin.parse(gone.vin), code))
    for vin, typed in tries:
        with pytest.raises(pairing.WrongCode) as refusal:
            garage.add(owner=buyer, vin=vin, code=typed, now=now)
        said.add(str(refusal.value))

    assert len(said) == 1
    assert PairingAttempt.objects.filter(account=buyer).count() == 3


def test_not_even_a_right_code_helps_after_ten_wrong_ones(vehicle, owner, now):
    for _ in range(10):
        with pytest.raises(pairing.WrongCode):
            garage.add(owner=owner, vin=VIN, code="BBBBBBBB", now=now)

    with pytest.raises(pairing.TooManyTries):
        add(vehicle, owner, now)
    assert add(vehicle, owner, now + timedelta(hours=1))


def test_ones_own_car_is_recognised_without_a_code(vehicle, owner, now):
    add(vehicle, owner, now)

    with pytest.raises(garage.AlreadyYours) as refusal:
        garage.add(owner=owner, vin=VIN, code="BBBBBBBB", now=now)

    assert refusal.value.vehicle_id == vehicle.pk
    assert not PairingAttempt.objects.exists()


def test_releasing_frees_the_car_and_voids_its_code(vehicle, owner, buyer, now):
    add(vehicle, owner, now)
    code = pairing.issue(vehicle, now=now).user_code

    garage.release(owner=owner, vehicle_id=vehicle.pk, now=now + timedelta(days=1))

    assert owners(vehicle) == []
    assert Ownership.objects.get().ends_at == now + timedelta(days=1)
    assert happened(vehicle) == ["vehicle_added", "vehicle_released"]
    with pytest.raises(pairing.WrongCode):
        garage.add(owner=buyer, vin=VIN, code=code, now=now)


def test_releasing_ends_what_was_paid_for_and_keeps_what_came_with_the_car(vehicle, owner, now):
    add(vehicle, owner, now)
    subscription = Subscription.objects.create(
        stripe_subscription_id="sub_1", subject_id=vehicle.pk, status="active", plan="premium"
    )
    Seat.objects.create(subject_id=vehicle.pk, payer=owner, subscription=subscription, taken_at=now)
    shared = {"subject_id": vehicle.pk, "plan": "premium", "starts_at": now, "created_at": now}
    paid = Grant.objects.create(
        source="subscription",
        subscription=subscription,
        ends_at=now + timedelta(days=30),
        **shared,
    )
    came_with_it = Grant.objects.create(source="factory", **shared)
    later = now + timedelta(days=3)

    garage.release(owner=owner, vehicle_id=vehicle.pk, now=later)

    paid.refresh_from_db()
    came_with_it.refresh_from_db()
    assert paid.ends_at == later
    assert came_with_it.ends_at is None
    assert not Seat.objects.exists()
    assert set(Intent.objects.values_list("kind", flat=True)) == {
        "cancel_subscription",
        "refund_subscription",
    }
    assert Ledger.objects.filter(kind="seat_vacated", actor=owner).exists()


@pytest.mark.parametrize("whose", ["nobody's", "another's", "unknown"])
def test_one_can_release_only_ones_own(vehicle, owner, buyer, now, whose):
    if whose == "another's":
        add(vehicle, owner, now)
    vehicle_id = owner.pk if whose == "unknown" else vehicle.pk

    with pytest.raises(garage.NotInGarage):
        garage.release(owner=buyer, vehicle_id=vehicle_id, now=now)


def test_a_right_code_for_an_owned_car_opens_one_claim(vehicle, owner, buyer, now):
    add(vehicle, owner, now)

    first = add(vehicle, buyer, now)
    second = add(vehicle, buyer, now + timedelta(days=1))

    assert isinstance(first, garage.ClaimOpened)
    assert first == second
    assert owners(vehicle) == ["owner@example.com"]
    assert happened(vehicle) == ["vehicle_added", "claim_opened"]
    assert DomainEvent.objects.latest("id").data == {
        "claim": first.claim.pk,
        "claimant": str(buyer.pk),
        "owner": str(owner.pk),
    }


def test_after_fourteen_silent_days_a_fresh_code_completes_the_claim(vehicle, owner, buyer, now):
    add(vehicle, owner, now)
    add(vehicle, buyer, now)
    due = now + timedelta(days=14)

    assert isinstance(add(vehicle, buyer, due - timedelta(seconds=1)), garage.ClaimOpened)
    assert add(vehicle, buyer, due) == garage.Added(vehicle)
    assert owners(vehicle) == ["buyer@example.com"]
    assert Claim.objects.get().state == "completed"
    assert happened(vehicle)[-3:] == ["vehicle_lost", "vehicle_added", "claim_completed"]


def test_an_objection_stops_the_clock_until_staff_decide(vehicle, owner, buyer, now):
    add(vehicle, owner, now)
    claim = add(vehicle, buyer, now).claim

    garage.object_to(owner=owner, vehicle_id=vehicle.pk, claim_id=claim.pk, now=now)

    assert isinstance(add(vehicle, buyer, now + timedelta(days=15)), garage.ClaimOpened)
    assert owners(vehicle) == ["owner@example.com"]
    with pytest.raises(garage.ClaimClosed):
        garage.object_to(owner=owner, vehicle_id=vehicle.pk, claim_id=claim.pk, now=now)


def test_only_the_owner_can_object(vehicle, owner, buyer, now):
    add(vehicle, owner, now)
    claim = add(vehicle, buyer, now).claim

    with pytest.raises(garage.NotInGarage):
        garage.object_to(owner=buyer, vehicle_id=vehicle.pk, claim_id=claim.pk, now=now)


def test_releasing_tells_who_claims_the_car_and_lets_them_add_it(vehicle, owner, buyer, now):
    add(vehicle, owner, now)
    add(vehicle, buyer, now)

    garage.release(owner=owner, vehicle_id=vehicle.pk, now=now)

    assert Claim.objects.get().state == "released"
    assert happened(vehicle)[-1] == "claim_released"
    assert add(vehicle, buyer, now) == garage.Added(vehicle)


def test_staff_decide_a_claim_once(vehicle, owner, buyer, person, now):
    staff, third = person("staff"), person("third")
    add(vehicle, owner, now)
    claim, other = add(vehicle, buyer, now).claim, add(vehicle, third, now).claim

    garage.decide(claim, grant=True, reason="bill of sale", actor=staff, now=now)

    assert owners(vehicle) == ["buyer@example.com"]
    states = dict(Claim.objects.values_list("claimant__email", "state"))
    assert states == {"buyer@example.com": "granted", "third@example.com": "refused"}
    decided = DomainEvent.objects.get(kind="claim_granted")
    assert (decided.actor, decided.data["reason"]) == (staff, "bill of sale")
    for settled in (claim, other):
        with pytest.raises(garage.ClaimClosed):
            garage.decide(settled, grant=True, reason="again", actor=staff, now=now)


def test_a_refused_claim_leaves_the_car_where_it_is(vehicle, owner, buyer, person, now):
    add(vehicle, owner, now)
    claim = add(vehicle, buyer, now).claim

    garage.decide(claim, grant=False, reason="no proof", actor=person("staff"), now=now)

    assert owners(vehicle) == ["owner@example.com"]
    assert Claim.objects.get().state == "refused"


@pytest.mark.django_db(transaction=True)
def test_two_people_with_the_same_code_at_once_get_one_car(vehicle, owner, buyer, now):
    code = pairing.issue(vehicle, now=now).user_code
    barrier, outcomes = Barrier(2), list[type]()

    def race(who):
        barrier.wait(10)
        try:
            outcomes.append(type(garage.add(owner=who, vin=VIN, code=code, now=now)))
        except pairing.WrongCode as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    threads = [Thread(target=race, args=[who]) for who in (owner, buyer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcome.__name__ for outcome in outcomes) == ["Added", "WrongCode"]
    assert len(owners(vehicle)) == 1


@pytest.mark.django_db(transaction=True)
def test_guesses_sent_at_once_are_counted_one_by_one(owner, now):
    barrier, outcomes = Barrier(14), []

    def guess(number):
        barrier.wait(10)
        try:
            garage.add(owner=owner, vin=OTHER_VIN, code=f"BBBBBB{number:02}", now=now)
        except (pairing.WrongCode, pairing.TooManyTries) as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    threads = [Thread(target=guess, args=[number]) for number in range(14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert outcomes.count(pairing.WrongCode) == 10
    assert outcomes.count(pairing.TooManyTries) == 4


def test_a_spent_code_is_marked_so(vehicle, owner, now):
    add(vehicle, owner, now)

    assert Pairing.objects.get().used_at == now
