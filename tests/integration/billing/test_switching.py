"""The same wish for another period is one call, whatever the clocks of two machines say."""

from datetime import timedelta

import pytest

from billing import clock, switching
from billing.models import Intent, Subscription
from tests.factories import make_car, make_user
from tests.integration.billing.buying import MONTHLY, YEARLY, start
from tests.integration.conftest import Stripe, eventually

SKEW = timedelta(minutes=5)


@pytest.mark.parametrize(
    ("recorded", "skew", "same"),
    [(3, SKEW, True), (3, -SKEW, True), (4, SKEW, False), (4, -SKEW, False)],
)
def test_what_a_fetch_could_show_is_known_by_tickets(now, recorded, skew, same) -> None:
    request = {"to": YEARLY, "proration_date": 1}
    wish = Intent(request=request, answered_at=now, answer={"pending": False, "ticket": 3})
    mirror = Subscription(recorded_ticket=recorded, synced_at=now + skew)

    assert switching._is_same(wish, YEARLY, 2, mirror) is same
    assert not switching._is_same(wish, MONTHLY, 2, mirror)


@pytest.mark.django_db(transaction=True)
def test_a_switch_remembers_what_had_been_fetched_before_it(stripe: Stripe) -> None:
    owner = make_user()
    car = make_car(owner)
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(status="active").first)
    for wanted in (YEARLY, MONTHLY):  # At once, then at the paid end.
        before = Subscription.objects.get().ticket
        shown = switching.quote(payer=owner, subject_id=car.vehicle.id, now=clock.now())
        assert shown.to == wanted

        switching.switch(
            payer=owner,
            subject_id=car.vehicle.id,
            to=shown.to,
            unit_amount=shown.unit_amount,
            proration_date=shown.proration_date,
            now=clock.now(),
        )

        wish = Intent.objects.filter(kind__startswith="switch").latest("id")
        assert wish.answer
        assert before <= wish.answer["ticket"] < Subscription.objects.get().recorded_ticket
