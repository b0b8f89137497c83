"""A swapped unit: the old one is out at once, and what it confirmed counts no more."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from billing import clock, grants
from fleet import carlines, delivery, keys
from fleet.models import Vehicle
from tests.factories import Car, body, make_car, make_user

pytestmark = pytest.mark.django_db


def swap(car: Car, moving_clock) -> Car:
    key = Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    text = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    now = moving_clock.advance(minutes=1)
    vehicle_id = car.vehicle.id
    assert keys.replace_key(
        vehicle_id=vehicle_id, public_key=text, reason="repair", actor=None, now=now
    )
    delivery.publish("local", now=now)
    moving_clock.advance(minutes=1)
    return Car(Vehicle.objects.get(id=vehicle_id), key)


def line(car: Car) -> str:
    vehicle = Vehicle.objects.get(id=car.vehicle.id)
    return carlines.car_line(vehicle, now=clock.now()).state


def test_what_the_old_unit_confirmed_is_not_said_of_the_new_one(moving_clock) -> None:
    old = make_car(make_user())
    now = clock.now().replace(microsecond=0)
    grants.give(grants.Gift(old.vehicle.id, "premium", "goodwill", now, None), now=now)
    delivery.publish("local", now=now)
    old.sign_in()
    old.check()
    assert old.report().status_code == 204
    assert line(old) == "active"

    new = swap(old, moving_clock)
    assert line(new) == "sent"
    assert old.check().status_code == 401
    assert old.report().status_code == 401
    assert body(old.sign_in())["error"] == "invalid_grant"

    assert new.sign_in().status_code == 200
    new.check()
    assert line(new) == "sent"
    assert new.report().status_code == 204
    assert line(new) == "active"


def test_the_new_unit_may_report_a_lower_version_than_the_old_one_did(moving_clock) -> None:
    old = make_car()
    delivery.publish("local", now=clock.now())
    old.sign_in()
    old.check()
    old.report()
    new = swap(old, moving_clock)
    new.sign_in()
    new.check()
    assert new.report(version=1).status_code == 204
    assert new.vehicle.report.version == 1
