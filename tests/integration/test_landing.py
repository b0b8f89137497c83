"""The first page: each feature has its picture and its sentence, each price its words."""

import re

import pytest
from django.conf import settings
from django.test import Client

from billing import queries
from billing.catalog import Feature
from connectivity import showcase

pytestmark = pytest.mark.django_db


def drawn() -> set[str]:
    art = settings.BASE_DIR / "connectivity/static/img/art.svg"
    return set(re.findall(r'<symbol id="(\w+)"', art.read_text()))


def test_all_that_is_sold_is_shown_with_a_picture_and_a_sentence() -> None:
    sold = queries.catalog().plans[queries.PREMIUM].features

    shown = showcase.features(sold)

    assert len(shown) == len(sold) >= 7
    assert {each.art for each in shown} <= drawn()
    assert all(each.text for each in shown)
    some = {each.name for each in shown if each.in_some_cars}
    assert some == {"Video streaming", "Karaoke", "Live camera view"}


def test_what_is_newer_than_this_code_is_shown_once_it_is_out() -> None:
    new = Feature("sentry", "Sentry view"), Feature("held", "Held back", share=100)

    [shown] = showcase.features(new)

    assert (shown.name, shown.text) == ("Sentry view", "")
    assert shown.art in drawn()


def test_the_prices_are_the_catalogues(client: Client, django_assert_max_num_queries) -> None:
    with django_assert_max_num_queries(12):
        page = " ".join(client.get("/").content.decode().split())

    assert "<b>$10</b> a month" in page
    assert "<b>$100</b> a year" in page
    assert "Saves $20" in page
    assert "CA$13 a month or CA$130 a year plus tax;" in page
    assert "a car made for Europe €10 or €100, VAT included." in page


def test_where_nothing_is_on_sale_no_price_is_named(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "offers", lambda **_: [])

    page = client.get("/").content.decode()

    assert "$" not in page
    assert "Emergency call" in page
