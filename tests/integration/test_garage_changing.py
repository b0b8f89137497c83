"""From the car's page to another period, to Stripe's own pages, and out of a new contract."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from billing import clock, switching, tasks
from billing.models import (
    Customer,
    Dispute,
    DomainEvent,
    Grant,
    Intent,
    Invoice,
    Seat,
    Subscription,
)
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually
from tests.integration.test_garage_pages import browser_of, page, subscribe, text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return make_user()


def paid(stripe: Stripe, owner, price: str = "premium_monthly_usd", **facts):
    car = make_car(owner, **facts)
    stripe.pay(start(owner, car, price))
    eventually(Subscription.objects.filter(subject_id=car.vehicle.id, status="active").first)
    return car


def give_card(stripe: Stripe, name: str) -> None:
    """Charge the one subscription by another card from now on."""
    mirror, customer = Subscription.objects.get(), Customer.objects.get().stripe_customer_id
    card = stripe.post(f"payment_methods/{name}/attach", customer=customer)["id"]
    stripe.post(f"subscriptions/{mirror.stripe_subscription_id}", default_payment_method=card)


def form_of(answer) -> dict[str, str]:
    quote = answer.context["quote"]
    shown = {"to": quote.to, "unit_amount": str(quote.unit_amount)}
    return shown | {"proration_date": str(quote.proration_date)}


def kinds() -> list[str]:
    return list(DomainEvent.objects.order_by("id").values_list("kind", flat=True))


def test_monthly_to_yearly_shows_the_amount_and_charges_just_that(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    clock.advance(10 * 86_400)
    assert "Switch to yearly" in text(browser.get(page(car)))

    asked = browser.get(page(car, "switch"))
    quote = asked.context["quote"]
    assert 9_000 < quote.due < 10_000
    assert quote.due == 10_000 - quote.credit
    assert f"Pay ${quote.due / 100:.2f} and switch" in text(asked)
    assert Subscription.objects.get().interval == "month"
    clock.advance(50 * 60)
    shown = browser.post(page(car, "switch"), form_of(asked), follow=True)

    assert "Switched." in text(shown)
    mirror: Any = Subscription.objects.get()
    assert (mirror.interval, mirror.unit_amount, mirror.status) == ("year", 10_000, "active")
    assert Invoice.objects.latest("created_at").amount_paid == quote.due
    event = DomainEvent.objects.get(kind="switched")
    assert event.data["amount"] == quote.due
    assert (event.data["from"], event.data["to"]) == ("premium_monthly_usd", "premium_yearly_usd")
    assert Grant.objects.get().ends_at == mirror.paid_through + timedelta(days=7)
    assert "Next charge $100.00" in text(shown)


def test_two_tabs_and_two_clicks_are_one_switch(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    one, other = (form_of(browser.get(page(car, "switch"))) for _ in range(2))
    other["proration_date"] = str(int(other["proration_date"]) - 60)

    for form in (one, one, other):
        browser.post(page(car, "switch"), form)

    assert kinds().count("switched") == 1
    assert Intent.objects.filter(kind="switch_price").count() == 1
    assert Invoice.objects.count() == 2


@pytest.mark.parametrize("seconds", [-3_700, 300])
def test_an_amount_that_was_not_just_shown_is_shown_anew(stripe: Stripe, owner, seconds) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    form = form_of(browser.get(page(car, "switch")))
    form["proration_date"] = str(int(form["proration_date"]) + seconds)

    answer = browser.post(page(car, "switch"), form, follow=True)

    assert "Here it is anew" in text(answer)
    assert "quote" in answer.context
    assert not Intent.objects.filter(kind="switch_price").exists()


def test_nonsense_in_the_form_changes_nothing(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    good = form_of(browser.get(page(car, "switch")))

    for wrong in ({}, good | {"to": "for_free"}, good | {"proration_date": "²" * 9}):
        answer = browser.post(page(car, "switch"), wrong, follow=True)
        assert "Here it is anew" in text(answer)

    assert Subscription.objects.get().interval == "month"


def test_yearly_to_monthly_waits_for_the_paid_end(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner, "premium_yearly_usd"), browser_of(owner)
    paid_through = Subscription.objects.get().paid_through

    asked = browser.get(page(car, "switch"))
    assert asked.context["quote"].due == 0
    assert "What you have already stays as it is until then" in text(asked)
    shown = text(browser.post(page(car, "switch"), form_of(asked), follow=True))

    mirror: Any = Subscription.objects.get()
    assert (mirror.interval, mirror.status) == ("month", "trialing")
    assert mirror.paid_through == paid_through
    assert Invoice.objects.filter(amount_paid__gt=0).count() == 1
    assert "Trial" not in shown
    assert "Next charge $10.00" in shown
    event = DomainEvent.objects.get(kind="switch_scheduled")
    assert event.data["at"] == paid_through.isoformat()


def test_a_declined_card_changes_nothing_and_says_so(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    mirror: Any = Subscription.objects.get()
    before = (mirror.interval, mirror.paid_through, Grant.objects.get().ends_at)
    give_card(stripe, "pm_card_chargeCustomerFail")

    asked = browser.get(page(car, "switch"))
    answer = browser.post(page(car, "switch"), form_of(asked))

    assert "The payment was not made" in text(answer)
    assert "Update card" in text(answer)
    pay_url = answer.context["pay_url"]
    assert pay_url in text(answer)
    mirror.refresh_from_db()
    assert (mirror.interval, mirror.paid_through, Grant.objects.get().ends_at) == before
    assert mirror.status == "active"
    assert "switched" not in kinds()
    assert browser.post(page(car, "switch"), form_of(asked)).status_code == 200
    assert Intent.objects.filter(kind="switch_price").count() == 1


def test_a_switch_is_told_of_once_its_payment_was_made_after_all(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    give_card(stripe, "pm_card_chargeCustomerFail")
    browser.post(page(car, "switch"), form_of(browser.get(page(car, "switch"))))
    give_card(stripe, "pm_card_visa")
    stripe_id = Subscription.objects.get().stripe_subscription_id
    invoice = stripe.get(f"invoices?subscription={stripe_id}&status=open")["data"][0]
    [waiting] = switching.due(clock.now())
    switching.settle(waiting, now=clock.now())
    assert "switched" not in kinds()

    stripe.post(f"invoices/{invoice['id']}/pay")
    for _ in range(2):
        switching.settle(waiting, now=clock.now())

    assert kinds().count("switched") == 1
    assert DomainEvent.objects.get(kind="switched").data["amount"] == invoice["total"]
    assert not switching.due(clock.now() + timedelta(days=1))
    assert Subscription.objects.get().interval == "year"


def test_a_switch_that_nobody_paid_for_is_dropped(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    give_card(stripe, "pm_card_chargeCustomerFail")
    browser.post(page(car, "switch"), form_of(browser.get(page(car, "switch"))))
    clock.advance(25 * 3600)
    [waiting] = switching.due(clock.now())

    switching.settle(waiting, now=clock.now())

    assert "switched" not in kinds()
    assert not switching.due(clock.now() + timedelta(days=1))
    assert Subscription.objects.get().interval == "month"
    assert browser.get(page(car, "switch")).context["quote"].to == "premium_yearly_usd"


def test_during_the_trial_nothing_is_charged_by_switching(stripe: Stripe, owner) -> None:
    car, browser = make_car(owner), browser_of(owner)
    now = clock.now().replace(microsecond=0)
    until = now + timedelta(days=20)
    Grant.objects.create(
        subject_id=car.vehicle.id,
        plan="premium",
        source="trial",
        starts_at=now,
        ends_at=until,
        created_at=now,
    )
    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(status="trialing").first)

    asked = browser.get(page(car, "switch"))
    shown = text(browser.post(page(car, "switch"), form_of(asked), follow=True))

    mirror: Any = Subscription.objects.get()
    assert (mirror.status, mirror.interval, mirror.paid_through) == ("trialing", "year", until)
    assert "Trial: 19 days left" in shown
    assert "First charge $100.00" in shown
    assert not Invoice.objects.filter(amount_paid__gt=0).exists()


def test_a_switch_that_stripe_did_not_hear_is_made_later(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    form = form_of(browser.get(page(car, "switch")))
    stripe.control("faults", kind="error", times=99, method="POST", path="/v1/subscriptions/")

    assert "Noted." in text(browser.post(page(car, "switch"), form, follow=True))
    assert "switched" not in kinds()
    stripe.heal()
    clock.advance(3_600)
    tasks.sweep()

    browser.post(page(car, "switch"), form)
    assert kinds().count("switched") == 1
    assert stripe.get("invoices?status=paid")["data"][0]["billing_reason"] == "subscription_update"
    assert Invoice.objects.count() == 2


@pytest.mark.parametrize(
    ("status", "facts"),
    [("past_due", {}), ("paused", {}), ("unpaid", {}), ("active", {"ends_at": 5})],
)
def test_not_while_it_is_ending_or_unpaid(owner, status, facts) -> None:
    car, browser = make_car(owner), browser_of(owner)
    soon = {name: clock.now() + timedelta(days=days) for name, days in facts.items()}
    subscribe(car, owner, status, **soon)

    assert page(car, "switch") not in text(browser.get(page(car)))
    for answer in (browser.get(page(car, "switch"), follow=True),):
        assert "cannot be switched now" in text(answer)


# Stripe's own pages


def test_the_portal_opens_for_who_pays(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)

    answer = browser.post(page(car, "portal"))

    assert answer.status_code == 303
    assert urlsplit(answer.headers["Location"]).path.startswith("/p/session/")


def test_updating_the_card_goes_to_the_card(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    stripe.control("webhooks/hold")  # What is on its way would say that it is active.
    Subscription.objects.update(status="past_due")
    assert "Update card" in text(browser.get(page(car)))

    answer = browser.post(page(car, "portal"), {"card": "1"})

    assert answer.status_code == 303
    shown = requests.get(answer.headers["Location"], timeout=10).text
    assert 'name="cardNumber"' in shown


def test_while_stripe_is_away_the_portal_says_so(stripe: Stripe, owner) -> None:
    car, browser = paid(stripe, owner), browser_of(owner)
    stripe.control("faults", kind="error", times=99, method="POST", path="/v1/billing_portal/")

    answer = browser.post(page(car, "portal"))

    assert answer.status_code == 503
    assert "does not answer" in text(answer)


def test_who_never_paid_has_no_portal(owner) -> None:
    car = make_car(owner)

    answer = browser_of(owner).post(page(car, "portal"), follow=True)

    assert "no running subscription" in text(answer)


# Withdrawing


def test_two_stages_withdraw_and_pay_back_what_was_not_used(stripe: Stripe, owner) -> None:
    car = paid(stripe, owner, "premium_monthly_eur", market="DE")
    browser = browser_of(owner)
    clock.advance(3 * 86_400)
    assert page(car, "withdraw") in text(browser.get(page(car)))

    asked = text(browser.get(page(car, "withdraw")))
    assert "Confirm withdrawal" in asked
    assert Seat.objects.exists()
    shown = text(browser.post(page(car, "withdraw"), follow=True))

    assert "You have withdrawn from the contract on" in shown
    assert not Seat.objects.exists()
    assert Grant.objects.filter(ends_at__lte=clock.now()).count() == 1
    assert Subscription.objects.get().status == "canceled"
    refunded = DomainEvent.objects.get(kind="refunded").data["amount"]
    assert 850 < refunded < 920
    withdrawn = DomainEvent.objects.get(kind="withdrawn")
    assert withdrawn.data["subscription"] == Subscription.objects.get().stripe_subscription_id
    assert withdrawn.payer == owner


def test_it_counts_although_stripe_is_away(stripe: Stripe, owner) -> None:
    car = paid(stripe, owner, "premium_monthly_eur", market="FR")
    stripe.control("faults", kind="error", times=99, method="DELETE", path="/v1/subscriptions/")

    shown = text(browser_of(owner).post(page(car, "withdraw"), follow=True))

    assert "You have withdrawn" in shown
    assert not Seat.objects.exists()
    assert Intent.objects.filter(answered_at=None).count() == 2


@pytest.mark.parametrize(
    ("market", "seconds", "may"),
    [
        ("DE", 14 * 86_400 - 60, True),
        ("DE", 14 * 86_400, False),
        ("NO", 60, True),
        ("GB", 60, True),
        ("US", 60, False),
        ("CA", 60, False),
    ],
)
def test_fourteen_days_and_where_the_law_holds(owner, market, seconds, may) -> None:
    car, browser = make_car(owner, market=market), browser_of(owner)
    subscribe(car, owner, created_at=clock.now() - timedelta(seconds=seconds))

    assert (page(car, "withdraw") in text(browser.get(page(car)))) is may
    if not may:
        answer = browser.post(page(car, "withdraw"), follow=True)
        assert "no contract for this car that you can withdraw from" in text(answer)
        assert Seat.objects.exists()


@pytest.mark.parametrize("name", ["switch", "withdraw", "portal"])
def test_foreign_cars_are_not_found(owner, name) -> None:
    car = make_car(owner)
    subscribe(car, owner)

    assert browser_of(make_user()).post(page(car, name)).status_code == 404
    assert "withdrawn" not in kinds()


# Currencies


@pytest.mark.parametrize(
    ("market", "shown"), [("CA", "CA$13 a month"), ("DE", "€10 a month"), ("US", "$10 a month")]
)
def test_prices_follow_the_cars_market(owner, market, shown) -> None:
    browser = browser_of(owner)

    assert f"Subscribe for {shown}" in text(browser.get(page(make_car(owner, market=market))))


def test_a_price_of_another_currency_is_not_on_sale(stripe: Stripe, owner) -> None:
    car, browser = make_car(owner, market="CA"), browser_of(owner)

    answer = browser.post(
        page(car, "subscribe"), {"lookup_key": "premium_monthly_usd"}, follow=True
    )
    assert "no longer offered" in text(answer)
    answer = browser.post(page(car, "subscribe"), {"lookup_key": "premium_monthly_cad"})

    assert answer.status_code == 303


# Discounts


def test_a_promotion_code_lowers_the_next_charge_on_the_page(stripe: Stripe, owner) -> None:
    coupon = stripe.post("coupons", percent_off="25", duration="repeating", duration_in_months="3")
    form = {"promotion[type]": "coupon", "promotion[coupon]": coupon["id"], "code": "SPRING"}
    stripe.post("promotion_codes", **form)
    car = make_car(owner)
    url = start(owner, car)
    requests.post(f"{url}/code", {"code": "SPRING"}, timeout=10).raise_for_status()
    stripe.pay(url)
    mirror = eventually(Subscription.objects.filter(status="active").first)

    shown = text(browser_of(owner).get(page(car)))

    assert mirror.discounted_amount == 750
    assert "Next charge $7.50" in shown
    assert "instead of $10.00" in shown
    assert "The discount lasts until <time" in shown


@pytest.mark.parametrize(("ends_in", "shown"), [(40, "$7.50"), (30, "$10.00"), (20, "$10.00")])
def test_the_charge_after_the_discount_is_a_full_one(owner, ends_in, shown) -> None:
    car = make_car(owner)
    ends_at = clock.now().replace(microsecond=0) + timedelta(days=ends_in)
    subscribe(car, owner, discounted_amount=750, discount_ends_at=ends_at)
    mirror: Any = Subscription.objects.get()
    if ends_in == 30:
        Subscription.objects.update(discount_ends_at=mirror.period_ends_at)

    assert f"Next charge {shown}" in text(browser_of(owner).get(page(car)))


# What is owed, and what is in doubt


def owe(mirror: Subscription, **facts) -> Invoice:
    return Invoice.objects.create(
        **{
            "stripe_invoice_id": "in_open",
            "subscription": mirror,
            "status": "open",
            "currency": "usd",
            "total": 1_070,
            "amount_paid": 0,
            "created_at": clock.now(),
            "hosted_url": "https://invoice.stripe.com/i/1",
            **facts,
        }
    )


def test_a_failed_payment_says_when_it_is_tried_again_and_how_to_pay(owner) -> None:
    car = make_car(owner)
    again = clock.now() + timedelta(days=3)
    owe(subscribe(car, owner, "past_due"), next_attempt_at=again)

    shown = text(browser_of(owner).get(page(car)))
    waits = text(browser_of(owner).get(f"{page(car)}?stripe=left"))

    assert f'hx-get="{page(car, "status")}?poll=1&amp;stripe=left"' in waits
    assert f'We try the card again on <time datetime="{again:%Y-%m-%d}' in shown
    assert "Premium stays on until <time" in shown
    assert 'href="https://invoice.stripe.com/i/1"' in shown
    assert "Update card" in shown


def test_when_it_is_not_tried_again_no_day_is_made_up(owner) -> None:
    car = make_car(owner)
    owe(subscribe(car, owner, "past_due"))

    shown = text(browser_of(owner).get(page(car)))

    assert "We try the card again" not in shown
    assert "Premium stays on until" in shown


def test_what_is_unpaid_names_the_amount(owner) -> None:
    car = make_car(owner)
    owe(subscribe(car, owner, "unpaid"))

    assert "Pay the open invoice of $10.70" in text(browser_of(owner).get(page(car)))


def test_a_dispute_is_said_so(owner) -> None:
    car = make_car(owner)
    invoice = owe(subscribe(car, owner), status="paid", amount_paid=1_070)
    now = clock.now()
    facts = {"amount": 1_070, "currency": "usd", "opened_at": now, "synced_at": now}
    held = Dispute.objects.create(
        stripe_dispute_id="dp_1", invoice=invoice, status="needs_response", **facts
    )
    browser = browser_of(owner)

    assert "Your bank holds a payment back" in text(browser.get(page(car)))
    Dispute.objects.filter(pk=held.pk).update(status="won")
    assert "Next charge" in text(browser.get(page(car)))


def test_the_list_of_invoices_shows_tax_refunds_and_the_car(owner) -> None:
    car = make_car(owner)
    owe(subscribe(car, owner), status="paid", amount_paid=1_070, tax=70, amount_refunded=500)

    shown = text(browser_of(owner).get("/billing/invoices/"))

    assert "includes $0.70 tax" in shown
    assert "$5.00 paid back" in shown
    assert f"Model 3 …{car.vehicle.vin[-6:]}" in shown


@pytest.mark.parametrize(("status", "payable"), [("past_due", True), ("canceled", False)])
def test_what_has_ended_is_not_to_be_paid(owner, status, payable) -> None:
    owe(subscribe(make_car(owner), owner, status))
    shown = text(browser_of(owner).get("/billing/invoices/"))
    assert ("invoice.stripe.com" in shown, "Nothing to pay" in shown) == (payable, not payable)
