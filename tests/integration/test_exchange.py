"""Assertions that are exchanged together: each for itself, and each once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import clock
from fleet import credentials
from fleet.credentials import AssertionRefused, Issued
from fleet.models import UsedAssertion, Vehicle
from tests.factories import make_car

pytestmark = pytest.mark.django_db


def test_each_is_told_for_itself_and_they_cost_as_much_as_one() -> None:
    cars = [make_car() for _ in range(4)]
    now = clock.now()
    used = cars[0].assertion()
    with CaptureQueriesContext(connection) as alone:
        credentials.exchange(used, now=now)
    twice = [cars[1].assertion(jti="one"), cars[1].assertion(jti="one", exp=int(clock.unix()) + 9)]
    other = cars[2].assertion(sub=cars[3].vehicle.vin, iss=cars[3].vehicle.vin)
    with CaptureQueriesContext(connection) as together:
        found = credentials.exchange_all(
            [used, *twice, other, "no assertion", cars[2].assertion(), cars[2].assertion()], now=now
        )
    kinds = [AssertionRefused, Issued, *[AssertionRefused] * 3, Issued, Issued]
    assert [type(each) for each in found] == kinds
    assert "used before" in str(found[0])
    assert "used before" in str(found[2])
    assert str(found[3]) == str(found[4]), "a wrong key and nobody's look the same"
    assert len(together) <= len(alone)
    assert isinstance(found[5], Issued)
    token = credentials.read(found[5].token, now=int(clock.unix()))
    assert token.vehicle_id == cars[2].vehicle.id
    assert 0.9 * credentials.LIFETIME <= found[5].lifetime <= credentials.LIFETIME
    spent = UsedAssertion.objects.values_list("vehicle_id", flat=True)
    assert sorted(spent) == sorted(cars[at].vehicle.id for at in (0, 1, 2, 2))
    heard = Vehicle.objects.exclude(last_contact_at=None).values_list("id", flat=True)
    assert set(heard) == {car.vehicle.id for car in cars[:3]}
