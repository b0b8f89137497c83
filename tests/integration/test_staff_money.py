"""What staff can do to money: ended at once, paid back, made longer; each once, each told."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing import clock, policy, subscriptions, tasks
from billing.models import DomainEvent, Grant, Intent, Invoice, Seat, StripeEvent, Subscription
from tests import factories, staffed
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "Called on Monday, was charged for a month in the workshop."
LATER = "Stripe does not answer now"


@pytest.fixture
def staff() -> Client:
    return staffed.sign_in(staffed.make_staff())


@pytest.fixture
def owner() -> Any:
    return factories.make_user()


@pytest.fixture
def car(stripe: Stripe, owner: Any) -> factories.Car:
    """A car whose owner has just paid for a month."""
    car = factories.make_car(owner)
    stripe.pay(start(owner, car))
    eventually(Grant.objects.filter(subscription__status="active").first)
    eventually(Invoice.objects.filter(status="paid").first)
    car.sign_in()
    return car


def mirror() -> Subscription:
    return Subscription.objects.get()


def invoice() -> Invoice:
    return Invoice.objects.filter(amount_paid__gt=0).get()


def address(name: str, row: Any) -> str:
    return reverse(f"admin:billing_{name}", args=[row.pk])


def token_of(client: Client, url: str) -> str:
    """The token of a page that was just opened."""
    found = re.search(r'name="token" value="([^"]+)"', client.get(url).content.decode())
    assert found is not None
    return found[1]


def send(client: Client, url: str, **form: Any) -> Any:
    return client.post(url, {"reason": REASON, **form}, follow=True)


def cancel(client: Client, refund: str = "unused", **form: Any) -> Any:
    return send(client, address("subscription_cancel_now", mirror()), refund=refund, **form)


def refund(client: Client, amount: str, token: str = "", **form: Any) -> Any:
    url = address("invoice_refund", invoice())
    return send(client, url, amount=amount, token=token or token_of(client, url), **form)


def extend(client: Client, days: int = 5, token: str = "", **form: Any) -> Any:
    url = address("subscription_extend", mirror())
    return send(client, url, days=days, token=token or token_of(client, url), **form)


def refunds(stripe: Stripe) -> list[int]:
    return sorted(made["amount"] for made in stripe.get("refunds")["data"])


def events(kind: str) -> list[DomainEvent]:
    return list(DomainEvent.objects.filter(kind=kind).order_by("id"))


def sweep_later(moving_clock: Any) -> None:
    moving_clock.advance(minutes=2)
    tasks.sweep()


@pytest.mark.parametrize(("how", "back"), [("none", []), ("unused", [1000]), ("full", [1000])])
def test_it_ends_at_once_and_gives_back_what_was_said(
    stripe: Stripe, staff: Client, car, owner, how: str, back: list[int]
) -> None:
    assert "has ended" in cancel(staff, how).content.decode()
    assert mirror().status == "canceled"
    assert stripe.get(f"subscriptions/{mirror().stripe_subscription_id}")["status"] == ("canceled")
    assert car.plan() == "standard"
    assert not Seat.objects.exists()
    assert refunds(stripe) == back
    event = events("cancelled_now")[0]
    assert (event.payer, event.subject_id) == (owner, car.vehicle.id)
    assert event.actor is not None
    assert event.data == {
        "subscription": mirror().stripe_subscription_id,
        "reason": REASON,
        "refund": how,
    }
    assert start(owner, car).startswith("http")


def test_what_was_used_is_not_given_back(stripe: Stripe, staff: Client, car, moving_clock) -> None:
    moving_clock.advance(days=15)
    cancel(staff, "unused")
    [amount] = refunds(stripe)
    assert 450 < amount < 550


def test_twice_is_once_and_the_first_word_on_money_counts(
    stripe: Stripe, staff: Client, car
) -> None:
    cancel(staff, "none")
    assert "nothing to do here" in cancel(staff, "full").content.decode()
    sub = mirror()
    Subscription.objects.update(status="active")  # As if the mirror had not heard of it yet.
    assert "asked for before" in cancel(staff, "full").content.decode()
    tasks.sweep()
    assert refunds(stripe) == []
    assert len(events("cancelled_now")) == 1
    assert Intent.objects.filter(idempotency_key__endswith=sub.stripe_subscription_id).count()


def test_while_stripe_is_away_the_car_has_lost_it_and_the_sweep_does_the_rest(
    stripe: Stripe, staff: Client, car, moving_clock
) -> None:
    stripe.control("faults", kind="error", times=99, path="/v1/")
    assert LATER in cancel(staff, "full").content.decode()
    assert car.plan() == "standard"
    stripe.heal()
    assert stripe.get(f"subscriptions/{mirror().stripe_subscription_id}")["status"] == "active"
    sweep_later(moving_clock)
    eventually(lambda: mirror().status == "canceled")
    assert refunds(stripe) == [1000]
    assert car.plan() == "standard"
    assert len(events("cancelled_now")) == len(events("refunded")) == 1


@pytest.mark.parametrize("form", [{"reason": ""}, {"reason": "short"}, {"refund": "half"}])
def test_it_does_not_end_without_a_reason_or_with_another_refund(
    staff: Client, car, form: dict[str, str]
) -> None:
    cancel(staff, **form)
    assert mirror().status == "active"
    assert not events("cancelled_now")


def test_a_part_goes_back_and_what_was_paid_for_goes_on(
    stripe: Stripe, staff: Client, car, owner
) -> None:
    page = staff.get(address("invoice_refund", invoice())).content.decode()
    assert "$10.00 can go back" in page
    assert "$4.50 goes back" in refund(staff, "4.50").content.decode()
    assert refunds(stripe) == [450]
    assert mirror().status == "active"
    assert car.plan() == "premium"
    event = events("refunded")[0]
    assert event.payer == owner
    assert event.actor is not None
    assert event.data == {
        "subscription": mirror().stripe_subscription_id,
        "invoice": invoice().pk,
        "amount": 450,
        "currency": "usd",
        "reason": REASON,
    }
    page = staff.get(address("invoice_refund", invoice())).content.decode()
    assert "$5.50 can go back" in page


def test_a_double_click_is_one_refund_and_two_forms_are_two(
    stripe: Stripe, staff: Client, car
) -> None:
    token = token_of(staff, address("invoice_refund", invoice()))
    refund(staff, "2", token)
    assert "asked for before" in refund(staff, "2", token).content.decode()
    assert refunds(stripe) == [200]
    refund(staff, "2")
    assert refunds(stripe) == [200, 200]
    assert len(events("refunded")) == 2


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        ("10.01", "Not that much is left"),
        ("0", "greater than or equal to 0.01"),
        ("-1", "greater than or equal to 0.01"),
        ("1.234", "2 decimal places"),
        ("", "required"),
        ("NaN", "Enter a number"),
    ],
)
def test_what_cannot_go_back_is_refused(
    stripe: Stripe, staff: Client, car, amount: str, says: str
) -> None:
    assert says in refund(staff, amount).content.decode()
    assert refunds(stripe) == []
    assert not Intent.objects.filter(kind="refund_invoice").exists()


def test_what_waits_is_left_out_of_what_can_go_back(
    stripe: Stripe, staff: Client, car, moving_clock
) -> None:
    stripe.control("faults", kind="error", times=99, path="/v1/")
    assert LATER in refund(staff, "7").content.decode()
    assert "Not that much is left" in refund(staff, "4").content.decode()
    assert not events("refunded")
    stripe.heal()
    sweep_later(moving_clock)
    assert refunds(stripe) == [700]
    assert len(events("refunded")) == 1


def test_what_stripe_refuses_is_said_and_the_next_try_is_a_new_wish(
    stripe: Stripe, staff: Client, car
) -> None:
    paid = stripe.get(f"invoice_payments?invoice={invoice().pk}")
    payment = paid["data"][0]["payment"]["payment_intent"]
    stripe.control("webhooks/hold")
    stripe.post("refunds", payment_intent=payment, amount=800)  # In the dashboard, unheard of.
    page = refund(staff, "5").content.decode()
    assert "greater than unrefunded amount" in page
    again = re.search(r'name="token" value="([^"]+)"', page)
    assert again is not None
    assert "$2.00 goes back" in refund(staff, "2", again[1]).content.decode()
    assert refunds(stripe) == [200, 800]


def test_the_paid_time_is_longer_and_the_next_charge_later(
    stripe: Stripe, staff: Client, car, owner, moving_clock
) -> None:
    paid = mirror().paid_through
    assert paid is not None
    until = paid + timedelta(days=5)
    assert f"until {until:%Y-%m-%d %H:%M}" in extend(staff, 5).content.decode()
    found = stripe.get(f"subscriptions/{mirror().stripe_subscription_id}")
    assert (found["status"], found["trial_end"]) == ("trialing", int(until.timestamp()))
    assert mirror().paid_through == until
    assert Grant.objects.get().ends_at == until + policy.GRACE
    assert refunds(stripe) == []
    event = events("extended")[0]
    assert (event.payer, event.data["days"]) == (owner, 5)
    assert event.data["until"] == until.isoformat()
    assert event.actor is not None
    moving_clock.advance(seconds=int((until - clock.now()).total_seconds()) - 60)
    assert sum(row["amount_paid"] for row in stripe.get("invoices")["data"]) == 1000
    moving_clock.advance(hours=3)
    eventually(
        lambda: sum(row["amount_paid"] for row in stripe.get("invoices")["data"]) == 2000, 20
    )
    eventually(lambda: (mirror().paid_through or until) > until, 20)


def test_two_repairs_add_up_and_a_double_click_is_one(stripe: Stripe, staff: Client, car) -> None:
    paid = mirror().paid_through
    assert paid is not None
    token = token_of(staff, address("subscription_extend", mirror()))
    extend(staff, 5, token)
    assert "asked for before" in extend(staff, 5, token).content.decode()
    assert mirror().paid_through == paid + timedelta(days=5)
    extend(staff, 3)
    assert mirror().paid_through == paid + timedelta(days=8)
    assert [event.data["days"] for event in events("extended")] == [5, 3]


def test_while_stripe_is_away_both_wait_and_still_add_up(
    stripe: Stripe, staff: Client, car, moving_clock
) -> None:
    paid = mirror().paid_through
    assert paid is not None
    stripe.control("faults", kind="error", times=99, path="/v1/")
    assert LATER in extend(staff, 5).content.decode()
    assert LATER in extend(staff, 3).content.decode()
    assert mirror().paid_through == paid
    stripe.heal()
    sweep_later(moving_clock)
    eventually(lambda: mirror().paid_through == paid + timedelta(days=8))
    assert len(events("extended")) == 2


def test_one_that_is_ending_has_the_days_given_after_its_end(
    stripe: Stripe, staff: Client, car, owner, moving_clock
) -> None:
    sub = mirror()
    stripe.post(f"subscriptions/{sub.stripe_subscription_id}", cancel_at_period_end="true")
    subscriptions.sync(sub.stripe_subscription_id, now=clock.now())
    paid = mirror().paid_through
    assert paid is not None
    assert "given as goodwill" in extend(staff, 5).content.decode()
    gift = Grant.objects.get(source="goodwill")
    assert (gift.starts_at, gift.ends_at) == (paid, paid + timedelta(days=5))
    found = stripe.get(f"subscriptions/{sub.stripe_subscription_id}")
    assert (found["status"], found["trial_end"]) == ("active", None)
    event = events("grant_given")[-1]
    assert (event.payer, event.data["source"], event.noticed_at) == (owner, "goodwill", None)
    extend(staff, 2)
    assert Grant.objects.filter(source="goodwill").latest("id").starts_at == gift.ends_at


@pytest.mark.parametrize("form", [{"days": 0}, {"days": 61}, {"days": ""}, {"reason": ""}])
def test_it_gets_no_longer_without_a_reason_or_for_other_days(
    stripe: Stripe, staff: Client, car, form: dict[str, Any]
) -> None:
    paid = mirror().paid_through
    extend(staff, **form)
    assert mirror().paid_through == paid
    assert not Intent.objects.filter(kind="extend").exists()


def test_where_no_paid_time_is_left_nothing_is_put_off(
    stripe: Stripe, staff: Client, car, now
) -> None:
    stripe.control("webhooks/hold")
    eventually(lambda: not StripeEvent.objects.filter(state="received").exists())
    Subscription.objects.update(paid_through=clock.now())
    assert "goodwill instead" in extend(staff, 5).content.decode()
    assert not Intent.objects.filter(kind="extend").exists()


@pytest.mark.parametrize("group", ["Support", "Fleet", "Auditor"])
def test_only_billing_moves_money(stripe: Stripe, car, group: str) -> None:
    client = staffed.sign_in(staffed.make_staff(group))
    assert cancel(client).status_code == 403
    for name, row in (("subscription_extend", mirror()), ("invoice_refund", invoice())):
        form = {"reason": REASON, "days": 5, "amount": "1", "token": "x"}
        assert client.post(address(name, row), form).status_code == 403
    assert refunds(stripe) == []
    assert mirror().status == "active"
    allowed = staffed.sign_in(staffed.make_staff("Billing"))
    page = allowed.get(address("subscription_change", mirror())).content.decode()
    assert "Cancel now" in page
    assert "Extend for a repair" in page
    assert cancel(allowed).status_code == 200
    assert mirror().status == "canceled"
