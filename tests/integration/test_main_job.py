"""The main job, part by part in one process: pay, be granted, be told, be confirmed."""

import pytest

from billing import clock, standing
from billing.models import DomainEvent, Grant, Seat, StripeEvent, Subject, Subscription
from fleet import carlines
from fleet.models import Delivery
from tests.factories import body, make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_owner_pays_and_the_car_has_premium(stripe: Stripe) -> None:
    owner = make_user()
    car = make_car(owner)
    assert car.sign_in().status_code == 200
    assert car.plan() == "standard"

    answer = stripe.pay(start(owner, car))
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"] == "http://localhost/back"

    subscription = eventually(Subscription.objects.filter(status="active").first)
    eventually(lambda: car.plan() == "premium")
    car.etag = ""
    document = body(car.check())
    assert "live_camera" in document["features"]
    assert document["reason"] == "subscription"
    assert car.check().status_code == 304

    grant = Grant.objects.get()
    assert grant.subscription == subscription
    assert (grant.ends_at - subscription.paid_through).days == 7
    assert Seat.objects.get().subscription == subscription
    assert DomainEvent.objects.filter(kind="grant_given", subject_id=car.vehicle.id).count() == 1

    car.vehicle.refresh_from_db()
    line = carlines.car_line(car.vehicle, now=clock.now())
    assert line.state == "sent"
    assert car.report().status_code == 204
    assert carlines.car_line(car.vehicle, now=clock.now()).state == "active"
    assert Delivery.objects.get(version=document["version"]).state == "applied"
    assert Subject.objects.get(id=car.vehicle.id).version == document["version"]
    assert standing.standing(car.vehicle.id, payer=owner, now=clock.now()).state == "active"
    handled = StripeEvent.objects.filter(state="handled").values_list("type", flat=True)
    eventually(lambda: "checkout.session.completed" in set(handled.all()))
    assert not StripeEvent.objects.filter(state="received").exists()
