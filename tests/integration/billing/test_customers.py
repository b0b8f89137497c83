"""A payer with very many cars: the next customer at Stripe, and one list of invoices over all."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from billing import checkout, clock, intents, invoices
from billing.models import Checkout, Customer, Intent, Subscription
from tests.factories import make_car, make_user
from tests.integration.billing.buying import start
from tests.integration.conftest import Stripe, eventually
from tests.integration.test_garage_pages import browser_of, text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return make_user()


def pay(stripe: Stripe, owner, lookup_key: str = "premium_monthly_usd") -> Any:
    car = make_car(owner, market="CA" if lookup_key.endswith("cad") else "US")
    stripe.pay(start(owner, car, lookup_key))
    mine = Subscription.objects.filter(subject_id=car.vehicle.id, status="active")
    return eventually(mine.first)


def hold(customer: Customer, count: int, status: str = "active") -> None:
    """Let a customer hold so many subscriptions."""
    held = Subscription.objects.count()
    Subscription.objects.bulk_create(
        Subscription(
            stripe_subscription_id=f"sub_{status}_{number}", customer=customer, status=status
        )
        for number in range(held, held + count)
    )


def test_the_next_customer_opens_at_450(stripe: Stripe, owner) -> None:
    first = pay(stripe, owner).customer
    hold(first, 400, "canceled")
    hold(first, 448)

    last = make_car(owner)
    start(owner, last)
    assert Checkout.objects.get(subject_id=last.vehicle.id).customer == first
    second = pay(stripe, owner).customer

    assert (first.ordinal, second.ordinal) == (1, 2)
    assert Customer.objects.count() == 2
    assert len(stripe.get("customers")["data"]) == 2
    assert start(owner, last) == Checkout.objects.get(subject_id=last.vehicle.id).url


def test_room_that_becomes_free_is_used_again(stripe: Stripe, owner) -> None:
    first = pay(stripe, owner).customer
    hold(first, 449)
    assert pay(stripe, owner).customer.ordinal == 2
    Subscription.objects.filter(stripe_subscription_id__startswith="sub_active").update(
        status="canceled"
    )

    assert pay(stripe, owner).customer == first


def test_invoices_are_one_list_over_customers_and_currencies(stripe: Stripe, owner) -> None:
    first = pay(stripe, owner).customer
    hold(first, 449)
    pay(stripe, owner)
    pay(stripe, owner, "premium_monthly_cad")

    found = invoices.of_payer(owner)

    assert len({invoice.subscription.customer_id for invoice in found}) == 3
    shown = text(browser_of(owner).get("/billing/invoices/"))
    assert shown.count("$10.00") == 2
    assert "CA$13.00" in shown
    assert shown.count("Model 3 …") == 3


def test_two_tabs_at_the_boundary_make_one_customer(stripe: Stripe, owner) -> None:
    first = pay(stripe, owner).customer
    hold(first, 449)
    cars = [make_car(owner) for _ in range(4)]

    def open_page(car) -> str:
        try:
            return start(owner, car)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as tabs:
        urls = list(tabs.map(open_page, cars))

    assert len(set(urls)) == 4
    assert sorted(Customer.objects.values_list("ordinal", flat=True)) == [1, 2]
    assert len(stripe.get("customers")["data"]) == 2


def test_an_ordinal_is_one_customers_alone(stripe: Stripe, owner) -> None:
    pay(stripe, owner)

    with pytest.raises(IntegrityError), transaction.atomic():
        Customer.objects.create(payer=owner, currency="usd", stripe_customer_id="cus_other")


def test_the_currency_has_customers_of_its_own(stripe: Stripe, owner) -> None:
    pay(stripe, owner)
    pay(stripe, owner, "premium_yearly_cad")

    assert set(Customer.objects.values_list("currency", "ordinal")) == {("usd", 1), ("cad", 1)}
    assert set(Subscription.objects.values_list("currency", flat=True)) == {"usd", "cad"}


def test_another_currency_than_the_cars_is_not_on_sale(owner) -> None:
    car = make_car(owner)

    with pytest.raises(checkout.NotOnSale, match="CAD"):
        checkout.start(
            payer=owner,
            subject_id=car.vehicle.id,
            lookup_key="premium_monthly_usd",
            currency="cad",
            return_url="http://localhost/back",
            cancel_url="http://localhost/left",
            still_may=lambda: None,
            now=clock.now(),
        )


def test_who_was_deleted_at_stripe_is_refused_once(stripe: Stripe, owner) -> None:
    """The refusal is how we learn of it; the next click makes another customer."""
    gone = pay(stripe, owner).customer
    stripe.delete(f"customers/{gone.stripe_customer_id}")
    car = make_car(owner)

    with pytest.raises(checkout.StripeRefused):
        start(owner, car)

    stripe.pay(start(owner, car))
    eventually(Subscription.objects.filter(subject_id=car.vehicle.id, status="active").first)
    assert Customer.objects.get(gone_at=None).ordinal == 2


def test_who_was_found_deleted_buys_at_once(stripe: Stripe, owner) -> None:
    gone = pay(stripe, owner).customer
    stripe.delete(f"customers/{gone.stripe_customer_id}")
    call_command("reconcile", fix=True)

    assert pay(stripe, owner).customer.ordinal == 2


def test_no_address_goes_to_who_is_gone(owner) -> None:
    Customer.objects.create(
        payer=owner, currency="usd", stripe_customer_id="cus_1", gone_at=clock.now()
    )
    Customer.objects.create(payer=owner, currency="usd", ordinal=2, stripe_customer_id="cus_2")

    intents.update_customer_email(payer=owner, now=clock.now())

    assert Intent.objects.get().request == {"customer": "cus_2"}
