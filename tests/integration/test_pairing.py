"""Codes that cars show: how they are issued, what voids them, and how guessing is stopped."""

from datetime import date, timedelta

import pytest

from billing import subjects
from fleet import pairing
from fleet.models import Pairing, PairingAttempt, Vehicle

pytestmark = pytest.mark.django_db

VIN = "5YJ3E1EA0KF000316"


@pytest.fixture
def vehicle(now) -> Vehicle:
    vehicle = Vehicle.objects.create(
        vin=VIN, model="model_3", hardware="mcu3", market="US", delivered_on=date(2026, 11, 1)
    )
    subjects.create([vehicle.id], now=now)
    return vehicle


@pytest.fixture
def account(django_user_model):
    return django_user_model.objects.create_user("owner@example.com")


def redeem(vehicle, account, code, now, vin=VIN) -> bool:
    return pairing.redeem(vehicle, account=account, vin=vin, code=code, now=now)


def test_a_code_is_eight_letters_in_two_groups_for_a_quarter_of_an_hour(vehicle, now):
    issued = pairing.issue(vehicle, now=now)

    first, hyphen, second = issued.user_code.partition("-")
    assert hyphen
    assert len(first) == len(second) == 4
    assert set(first + second) <= set("BCDFGHJKLMNPQRSTVWXZ")
    assert issued.expires_in == 900


def test_the_table_alone_gives_no_code_away(vehicle, account, now, settings):
    issued = pairing.issue(vehicle, now=now)

    stored = Pairing.objects.get().code_hash
    assert pairing.normalized(issued.user_code) not in stored
    settings.SECRET_KEY = "another"
    assert not redeem(vehicle, account, issued.user_code, now)


@pytest.mark.parametrize(
    "dress", [str.lower, lambda c: c.replace("-", " "), lambda c: f" {c[:4]}{c[5:]} "]
)
def test_a_code_is_understood_however_it_is_typed(vehicle, account, now, dress):
    issued = pairing.issue(vehicle, now=now)

    assert redeem(vehicle, account, dress(issued.user_code), now)


def test_a_code_works_once(vehicle, account, now):
    issued = pairing.issue(vehicle, now=now)

    assert redeem(vehicle, account, issued.user_code, now)
    assert not redeem(vehicle, account, issued.user_code, now)


def test_a_code_works_to_its_last_second_and_not_at_its_end(vehicle, account, now):
    issued = pairing.issue(vehicle, now=now)

    assert not redeem(vehicle, account, issued.user_code, now + timedelta(minutes=15))
    assert redeem(vehicle, account, issued.user_code, now + timedelta(seconds=899))


def test_a_newer_code_voids_the_older(vehicle, account, now):
    old = pairing.issue(vehicle, now=now)
    new = pairing.issue(vehicle, now=now)

    assert not redeem(vehicle, account, old.user_code, now)
    assert redeem(vehicle, account, new.user_code, now)


def test_a_code_is_bound_to_its_car(vehicle, account, now):
    other = Vehicle.objects.create(
        vin="5YJ3E1EA2KF000317",
        model="model_3",
        hardware="mcu3",
        market="US",
        delivered_on=date(2026, 11, 1),
    )
    issued = pairing.issue(vehicle, now=now)
    pairing.issue(other, now=now)

    assert not redeem(other, account, issued.user_code, now, vin=other.vin)


@pytest.mark.parametrize("delivered_on", [None, date(2026, 11, 23), date(2027, 1, 1)])
def test_there_is_no_code_before_delivery(vehicle, now, delivered_on):
    vehicle.delivered_on = delivered_on

    with pytest.raises(pairing.NotDelivered):
        pairing.issue(vehicle, now=now)
    assert not Pairing.objects.exists()


def test_a_delivery_day_begins_with_the_earliest_morning_on_earth(vehicle, now):
    vehicle.delivered_on = date(2026, 11, 23)
    dawn_in_kiritimati = now.replace(hour=10, minute=0)

    with pytest.raises(pairing.NotDelivered):
        pairing.issue(vehicle, now=dawn_in_kiritimati - timedelta(seconds=1))
    assert pairing.issue(vehicle, now=dawn_in_kiritimati)


def test_only_wrong_tries_are_counted(vehicle, account, now):
    issued = pairing.issue(vehicle, now=now)

    redeem(vehicle, account, "BBBBBBBB", now)
    redeem(vehicle, account, issued.user_code, now)

    assert PairingAttempt.objects.count() == 1


def test_ten_wrong_tries_close_an_account_for_an_hour(vehicle, account, now):
    for minute in range(10):
        pairing.check_limits(account=account, vin=VIN, now=now)
        redeem(vehicle, account, "BBBBBBBB", now + timedelta(minutes=minute))

    with pytest.raises(pairing.TooManyTries) as refusal:
        pairing.check_limits(account=account, vin="anything", now=now + timedelta(minutes=30))

    assert refusal.value.retry_at == now + timedelta(hours=1)
    pairing.check_limits(account=account, vin=VIN, now=now + timedelta(hours=1))


def test_a_hundred_wrong_tries_by_anybody_close_a_vin_known_or_not(account, now, django_user_model):
    other = django_user_model.objects.create_user("other@example.com")
    PairingAttempt.objects.bulk_create(
        PairingAttempt(account=account, vin="unknown", at=now) for _ in range(100)
    )

    with pytest.raises(pairing.TooManyTries):
        pairing.check_limits(account=other, vin="unknown", now=now)
    pairing.check_limits(account=other, vin=VIN, now=now)
