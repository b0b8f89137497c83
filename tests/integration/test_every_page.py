"""What holds for every page, whatever it is about."""

import pytest
from django.core import mail
from django.db import OperationalError
from django.test import Client

from billing import queries
from tests.factories import make_car, make_user

pytestmark = pytest.mark.django_db


def signed_in() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_user())
    return client


@pytest.mark.parametrize("path", ["/billing/invoices/", "/accounts/email/", "/accounts/sessions/"])
def test_what_a_signed_in_person_sees_is_kept_nowhere(path) -> None:
    answer = signed_in().get(path)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_public_page_may_be_kept(client) -> None:
    assert "Cache-Control" not in client.get("/").headers


@pytest.mark.parametrize(
    "path", ["/api/schema/?version=%00", "/admin/billing/invoice/%00/change/", "/garage/?x=a%00b"]
)
def test_an_address_with_a_nul_is_a_bad_one(path) -> None:
    assert signed_in().get(path).status_code == 400


def test_a_price_with_a_nul_is_not_on_sale() -> None:
    client = signed_in()
    owner = client.session["_auth_user_id"]
    car = make_car()
    car.vehicle.ownerships.create(owner_id=owner, starts_at=car.vehicle.created_at)
    page = f"/garage/{car.vehicle.id}/"
    answer = client.post(f"{page}subscribe/", {"lookup_key": "\x00"}, follow=True)
    assert answer.redirect_chain == [(page, 302)]
    assert "no longer offered" in answer.content.decode()


def test_a_database_that_is_away_is_said_in_words(client, monkeypatch) -> None:
    def away(**_: object) -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(queries, "offers", away)
    answer = client.get("/")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert "right back" in answer.content.decode()
    assert "no route" not in answer.content.decode()


def test_a_mail_server_that_is_away_is_said_in_words(client, monkeypatch) -> None:
    def refuse(_mail: mail.EmailMessage) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(mail.EmailMessage, "send", refuse)
    answer = client.post("/accounts/login/", {"login": make_user().email})
    assert answer.status_code == 503
    assert "right back" in answer.content.decode()


def test_search_engines_may_read_what_anybody_may(client, settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    answer = client.get("/robots.txt")

    assert (answer.status_code, answer.content) == (200, b"User-agent: *\nAllow: /\n")
