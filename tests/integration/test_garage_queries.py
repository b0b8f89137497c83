"""Pages of many cars: as many questions to PostgreSQL as for one, and one file of all invoices."""

import csv

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


def test_all_invoices_come_as_one_file_that_names_their_cars():
    owner = make_user()
    cars = [make_car(owner) for _ in range(2)]
    for car in cars:
        bill(subscribe(car, owner))
    other = make_user()
    bill(subscribe(make_car(other), other))
    browser = browser_of(owner)

    answer = browser.get("/billing/invoices.csv")
    rows = list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))

    assert "/billing/invoices.csv" in text(browser.get("/billing/invoices/"))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "no-store" in answer.headers["Cache-Control"]
    assert {row["Car"] for row in rows} == {f"Model 3 …{car.vehicle.vin[-6:]}" for car in cars}
    assert {(row["Total"], row["Currency"], row["State"]) for row in rows} == {
        ("10.00", "USD", "Paid")
    }
    browser.post("/language/", {"language": "de"})
    assert "Bezahlt" in browser.get("/billing/invoices.csv").content.decode()
    assert Client().get("/billing/invoices.csv").status_code == 302


def test_a_vin_says_which_car_it_is_before_anything_is_sent():
    browser, car = browser_of(make_user()), make_car()
    url = "/garage/add/vin/"

    with CaptureQueriesContext(connection) as queries:
        said = text(browser.post(url, {"vin": car.vehicle.vin.lower()}))

    assert "Model 3 of the model year 2019" in said
    assert not [each for each in queries if "fleet_" in each["sql"]], "it tells of no car of ours"
    assert text(browser.post(url, {"vin": "WVWZZZ1JZ3W386752"})).strip() == ""
    assert text(browser.post(url, {"vin": "5YJ"})).strip() == ""
    assert "model year 2019" in text(
        browser.post("/garage/add/", {"vin": car.vehicle.vin, "code": ""})
    )
