"""Staff find who allowed, offered and drives what, and read no address in a list."""

import pytest
from django.urls import reverse

from billing import clock
from fleet import consents, drivers, learning, transfers
from tests import staffed
from tests.factories import make_car, make_user

pytestmark = pytest.mark.django_db


def test_consents_offers_and_drivers_are_found_by_car_and_by_person() -> None:
    owner, driver, now = make_user("owner@example.com"), make_user("dora@example.com"), clock.now()
    car = make_car(owner)
    mine = {"owner": owner, "vehicle_id": car.vehicle.id, "now": now}
    learning.allow(**mine, text=consents.TEXT)
    transfers.offer(**mine, email="buyer@example.com")
    drivers.join(driver=drivers.invite(**mine, email=driver.email), person=driver, now=now)
    drivers.invite(**mine, email="xaver@example.com")
    staff = staffed.sign_in(staffed.make_staff())

    for model, person, shown in (
        ("consent", "owner@example.com", "o•••@example.com"),
        ("transfer", "owner@example.com", "b•••@example.com"),
        ("driver", "dora@example.com", "d•••@example.com"),
    ):
        url = reverse(f"admin:fleet_{model}_changelist")
        for text in (car.vehicle.vin, person):
            listed = staff.get(url, {"q": text}).content.decode()
            assert shown in listed, (model, text)
            assert "buyer@" not in listed
            assert "xaver@" not in listed
        assert shown not in staff.get(url, {"q": "nobody@example.com"}).content.decode()
