"""Who reads in which language: the browser's wish, the choice in the footer, the account's."""

import re

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.test import Client

from connectivity.notices.tasks import sweep
from tests.factories import make_user

pytestmark = pytest.mark.django_db
COOKIE = django_settings.LANGUAGE_COOKIE_NAME


def language_of(answer) -> str:
    [found] = re.findall(r'<html lang="([^"]+)"', answer.content.decode())
    assert answer.headers["Content-Language"] == found
    return str(found)


@pytest.mark.parametrize(
    ("wish", "given"),
    [("de-DE,de;q=0.9,en;q=0.8", "de"), ("de-AT", "de"), ("fr,de;q=0.5", "de"), ("fr", "en")],
)
def test_a_first_visit_is_answered_in_the_language_of_the_browser(client, wish, given) -> None:
    answer = client.get("/", headers={"accept-language": wish})

    assert language_of(answer) == given
    assert {"Accept-Language", "Cookie"} <= set(answer.headers["Vary"].split(", "))


def test_a_choice_holds_against_the_browser_and_leads_back(client) -> None:
    page = client.get("/accounts/login/?next=/garage/")
    assert 'action="/language/"' in page.content.decode()

    chosen = client.post("/language/", {"language": "de", "next": "/accounts/login/?next=/garage/"})

    assert chosen.headers["Location"] == "/accounts/login/?next=/garage/"
    assert chosen.cookies[COOKIE]["httponly"]
    german = client.get("/", headers={"accept-language": "en"})
    assert language_of(german) == "de"
    # Each by its own name: whoever cannot read the page still finds theirs.
    for name, pressed in (("English", "false"), ("Deutsch", "true")):
        assert f'aria-pressed="{pressed}">{name}</button>' in german.content.decode()


def test_a_page_that_answers_a_form_leads_back_to_where_the_form_stood(client) -> None:
    client.force_login(make_user())
    car = "http://testserver/garage/0192f3a0-0000-7000-8000-000000000000/"
    refused = client.post(f"{car}subscribe/", headers={"referer": car})

    assert refused.content.decode().count(f'name="next" value="{car}"') == 2
    chosen = client.post("/language/", {"language": "de", "next": car})
    assert chosen.headers["Location"] == car
    unknown = client.post("/garage/add/", {"vin": "1"}).content.decode()
    assert unknown.count('name="next" value="/"') == 2


def test_a_choice_is_kept_in_the_account_and_so_on_every_device(client) -> None:
    owner = make_user()
    client.force_login(owner)
    client.post("/language/", {"language": "de", "next": "/garage/"})

    owner.refresh_from_db()
    assert owner.language == "de"
    other = Client()
    other.force_login(owner)
    assert language_of(other.get("/garage/")) == "de"


def test_whoever_signs_in_brings_their_choice_along(client) -> None:
    owner = make_user(language="en")
    client.post("/language/", {"language": "de"})
    page = client.post("/accounts/login/", {"login": owner.email})
    assert page.status_code == 302
    owner.refresh_from_db()
    assert owner.language == "en", "a mailed code that was not typed in changes no account"

    client.cookies[COOKIE] = "de"
    sign_in(client, owner)

    owner.refresh_from_db()
    assert owner.language == "de"


def test_an_account_without_a_language_takes_that_of_its_first_page(client) -> None:
    owner = make_user()
    assert owner.language == ""

    sign_in(client, owner, headers={"accept-language": "de"})

    owner.refresh_from_db()
    assert owner.language == "de"


def sign_in(client, owner, **how) -> None:
    """By the code that is mailed."""
    client.post("/accounts/login/", {"login": owner.email}, **how)
    [code] = re.findall(r"^ {4}(\S+)$", str(mail.outbox[-1].body), re.MULTILINE)
    client.post("/accounts/login/code/confirm/", {"code": code}, **how)
    assert client.session["_auth_user_id"] == str(owner.pk)


@pytest.mark.parametrize("language", ["fr", "", "../de", "\x00"])
def test_a_language_that_there_is_not_changes_nothing(client, language) -> None:
    owner = make_user(language="de")
    client.force_login(owner)

    client.post("/language/", {"language": language, "next": "https://elsewhere.example/"})

    owner.refresh_from_db()
    assert owner.language == "de"
    assert language_of(client.get("/garage/")) == "de"


def test_a_choice_leads_to_no_other_site(client) -> None:
    answer = client.post("/language/", {"language": "de", "next": "https://elsewhere.example/"})

    assert answer.headers["Location"] == "/"


def test_staff_read_english_alone(client) -> None:
    client.force_login(make_user(is_staff=True, language="de"))

    assert client.get("/admin/").headers["Content-Language"] == "en"


def test_whoever_confirms_an_address_is_welcomed_once_in_their_language(client) -> None:
    client.cookies[COOKIE] = "de"
    client.post("/accounts/signup/", {"email": "new@example.com"})
    [code] = re.findall(r"^ {4}(\S+)$", str(mail.outbox[-1].body), re.MULTILINE)
    client.post("/accounts/confirm-email/", {"code": code})

    sweep()
    owner = get_user_model().objects.get(email="new@example.com")
    languages_of = [(sent.subject, sent.to) for sent in mail.outbox]
    assert languages_of == [
        ("Bestätigen Sie Ihre E-Mail-Adresse", [owner.email]),
        ("Willkommen bei Premium Connectivity", [owner.email]),
    ]
    client.post("/accounts/logout/")
    sign_in(client, owner)
    sweep()
    assert len(mail.outbox) == 3


def test_a_form_says_in_german_what_is_wrong_with_a_vin_and_what_is_missing(client) -> None:
    client.force_login(make_user(language="de"))

    answer = client.post("/garage/add/", {"vin": "5YJ3E1EA0KF00031"})

    assert language_of(answer) == "de"
    said = answer.content.decode()
    assert "Eine FIN (VIN) hat 17 Zeichen; diese hat 16." in said
    assert "Dieses Feld ist zwingend erforderlich." in said
