"""What pages of many cars cost: as many questions to PostgreSQL as those of one."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing import clock
from billing.models import Invoice, Subscription
from tests.factories import make_car, make_user
from tests.integration.test_garage_pages import browser_of, page, subscribe, text

pytestmark = pytest.mark.django_db


def test_pages_ask_the_same_number_of_questions_for_thirty_cars():
    owner, asked = make_user(), []
    browser = browser_of(owner)
    for count in (1, 29):
        cars = [make_car(owner) for _ in range(count)]
        for car in cars:
            bill(subscribe(car, owner))
        paths = ("/garage/", page(cars[0]), "/billing/invoices/")
        asked.append([queries_of(browser, path) for path in paths])

    assert text(browser.get("/garage/")).count('<li class="card">') == 30
    assert asked[0] == asked[1]
    assert max(asked[0]) <= 12


def queries_of(browser: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert browser.get(path).status_code == 200
    return len(queries)


def bill(subscription: Subscription) -> None:
    Invoice.objects.create(
        stripe_invoice_id=f"in_{subscription.pk}",
        subscription=subscription,
        status="paid",
        currency="usd",
        total=1000,
        amount_paid=1000,
        created_at=clock.now(),
    )
