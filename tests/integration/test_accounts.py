"""Signing up and in, by mailed code: what people get, and what they are told when it fails."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from tests.factories import make_user

pytestmark = pytest.mark.django_db

LOGIN, CONFIRM, VERIFY = (
    "/accounts/login/",
    "/accounts/login/code/confirm/",
    "/accounts/confirm-email/",
)


def code_in(message) -> str:
    found = re.search(r"\b[B-Z]{4}-[B-Z]{4}\b", message.body)
    assert found, message.body
    return found[0]


def ask(client, email="owner@example.com", **more):
    return client.post(LOGIN, {"login": email, **more})


def text(response):
    return response.content.decode()


def signed_in(client) -> bool:
    return "_auth_user_id" in client.session


def test_a_mailed_code_signs_in(client):
    user = make_user("owner@example.com")

    assert ask(client).headers["Location"] == CONFIRM
    answer = client.post(CONFIRM, {"code": code_in(mail.outbox[0])})

    assert answer.headers["Location"] == "/garage/"
    assert client.session["_auth_user_id"] == str(user.pk)
    assert len(mail.outbox) == 1
    assert EmailAddress.objects.get(user=user).verified


def test_the_code_comes_in_our_words_as_text_and_html(client):
    make_user("owner@example.com")
    ask(client)

    message: Any = mail.outbox[0]
    html, kind = message.alternatives[0]
    assert message.subject == "Your sign-in code"
    assert message.to == ["owner@example.com"]
    assert kind == "text/html"
    assert code_in(message) in html
    for body in (message.body, html):
        assert "Premium" in body
        assert "15 minutes" in body
        assert "example.com" not in body
        assert "testserver" not in body


@pytest.mark.parametrize("typed", ["Owner@Example.com", "  owner@example.com "])
def test_an_email_is_one_account_however_it_is_typed(client, typed):
    make_user("owner@example.com")

    ask(client, typed)
    client.post(CONFIRM, {"code": code_in(mail.outbox[0])})

    assert signed_in(client)
    assert get_user_model().objects.count() == 1


@pytest.mark.parametrize("dress", [str.lower, lambda code: code.replace("-", " ")])
def test_a_code_is_understood_however_it_is_typed(client, dress):
    make_user("owner@example.com")
    ask(client)

    client.post(CONFIRM, {"code": dress(code_in(mail.outbox[0]))})

    assert signed_in(client)


def test_a_wrong_code_says_what_to_do_and_five_end_it(client):
    make_user("owner@example.com")
    ask(client)

    for _ in range(4):
        answer = client.post(CONFIRM, {"code": "BBBB-BBBB"})
        assert "Use the one from our newest email" in text(answer)
    answer = client.post(CONFIRM, {"code": "BBBB-BBBB"}, follow=True)

    assert "ask for a new code" in text(answer)
    client.post(CONFIRM, {"code": code_in(mail.outbox[0])})
    assert not signed_in(client)


def test_an_old_code_says_so_and_offers_a_new_one(client, aged):
    make_user("owner@example.com")
    ask(client)
    aged(client, timedelta(minutes=15, seconds=1))

    answer = client.post(CONFIRM, {"code": code_in(mail.outbox[0])}, follow=True)

    assert "That code is no longer valid" in text(answer)
    assert not signed_in(client)


@pytest.fixture
def aged():
    """Age what the session remembers of the code, since allauth reads the machine's own clock."""

    def age(client, by: timedelta) -> None:
        session = client.session
        state = session["account_login"]["state"]["stages"]["login_by_code"]["data"]
        state["at"] -= by.total_seconds()
        session.save()

    return age


def test_a_new_code_replaces_the_old(client):
    make_user("owner@example.com")
    ask(client)
    client.post(CONFIRM, {"action": "resend"})
    old, new = map(code_in, mail.outbox)

    client.post(CONFIRM, {"code": old})
    assert not signed_in(client)
    client.post(CONFIRM, {"code": new})
    assert signed_in(client)


def test_an_unknown_address_looks_the_same_and_is_told_by_mail(client):
    answer = ask(client, "nobody@example.com")

    assert answer.headers["Location"] == CONFIRM
    assert mail.outbox[0].subject == "There is no account with this address"
    assert "/accounts/signup/" in mail.outbox[0].body


def test_signing_up_takes_an_address_and_its_code(client):
    answer = client.post(reverse("account_signup"), {"email": "New@Example.com"})
    assert answer.headers["Location"] == VERIFY

    answer = client.post(VERIFY, {"code": code_in(mail.outbox[0])})

    user = get_user_model().objects.get()
    assert user.email == "new@example.com"
    assert not user.has_usable_password()
    assert answer.headers["Location"] == "/garage/"
    assert signed_in(client)


def test_signing_up_twice_tells_only_the_mailbox(client):
    make_user("owner@example.com")

    answer = client.post(reverse("account_signup"), {"email": "owner@example.com"})

    assert answer.headers["Location"] == VERIFY
    assert mail.outbox[0].subject == "You have an account already"
    assert "/accounts/login/" in mail.outbox[0].body
    assert get_user_model().objects.count() == 1


def test_a_robot_falls_into_the_trap(client):
    form = {"email": "robot@example.com", "website": "https://buy.example.com"}
    client.post(reverse("account_signup"), form)

    assert not get_user_model().objects.exists()


def test_sign_in_leads_to_the_page_that_was_wanted(client):
    make_user("owner@example.com")
    wanted = "/garage/add/"
    first = client.get(wanted)
    assert first.headers["Location"] == f"{LOGIN}?next={wanted}"

    answer = ask(client, next=wanted)
    page = client.get(answer.headers["Location"])
    answer = client.post(CONFIRM, {"code": code_in(mail.outbox[0]), "next": wanted})

    assert f'name="next" value="{wanted}"' in text(page)
    assert answer.headers["Location"] == wanted


def test_a_foreign_address_is_no_place_to_go_on_to(client):
    make_user("owner@example.com")
    ask(client, next="https://evil.example.com/")

    answer = client.post(
        CONFIRM, {"code": code_in(mail.outbox[0]), "next": "https://evil.example.com/"}
    )

    assert answer.headers["Location"] == "/garage/"


def test_codes_cannot_be_asked_for_without_end():
    make_user("owner@example.com")

    answers = [ask(Client()) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [302, 302, 302, 200]
    assert "Wait a minute" in text(answers[-1])
    assert len(mail.outbox) == 3


@pytest.mark.parametrize("page", ["reset/", "change/", "set/", "reset/key/done/"])
def test_there_are_no_passwords(client, page):
    client.force_login(make_user())

    assert client.get(f"/accounts/password/{page}").status_code == 404


@pytest.mark.parametrize(
    ("is_staff", "kind", "asked"),
    [
        (False, "webauthn", False),
        (False, "totp", True),
        (True, "webauthn", True),
        (True, "totp", True),
    ],
)
def test_who_is_asked_for_a_second_factor(client, is_staff, kind, asked):
    user = make_user("owner@example.com", is_staff=is_staff)
    Authenticator.objects.create(user=user, type=kind, data={"secret": "JBSWY3DPEHPK3PXP"})
    ask(client)

    answer = client.post(CONFIRM, {"code": code_in(mail.outbox[0])})

    assert signed_in(client) is not asked
    assert answer.headers["Location"] == ("/accounts/2fa/authenticate/" if asked else "/garage/")


def test_the_passkey_is_asked_for_first(client):
    user = make_user()
    for kind in ("totp", "webauthn"):
        Authenticator.objects.create(user=user, type=kind, data={"secret": "JBSWY3DPEHPK3PXP"})
    client.force_login(user)

    answer = client.get("/accounts/2fa/webauthn/add/")

    assert answer.headers["Location"].startswith("/accounts/2fa/webauthn/reauthenticate/")


def test_who_lost_the_passkeys_device_removes_it_after_a_code(client):
    user = make_user("owner@example.com")
    lost = Authenticator.objects.create(user=user, type="webauthn", data={})
    remove = reverse("mfa_remove_webauthn", args=[lost.pk])
    client.force_login(user)
    assert "reauthenticate" in client.get(remove).headers["Location"]

    client.logout()
    ask(client)
    client.post(CONFIRM, {"code": code_in(mail.outbox[0])})
    client.post(remove)

    assert not Authenticator.objects.filter(pk=lost.pk).exists()


def test_changing_the_address_waits_for_the_new_ones_code(client):
    user = make_user("old@example.com")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    client.force_login(user)

    client.post(reverse("account_email"), {"email": "new@example.com", "action_add": ""})
    user.refresh_from_db()
    assert user.email == "old@example.com"
    client.post(VERIFY, {"code": code_in(mail.outbox[0])})

    user.refresh_from_db()
    assert user.email == "new@example.com"
    assert list(EmailAddress.objects.values_list("email", "verified")) == [
        ("new@example.com", True)
    ]
    assert {tuple(m.to) for m in mail.outbox[1:]} == {("old@example.com",)}


def test_sessions_elsewhere_can_be_ended(client):
    make_user("owner@example.com")
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36"
    browsers = [client, Client(headers={"user-agent": chrome})]
    for browser in browsers:
        ask(browser)
        browser.post(CONFIRM, {"code": code_in(mail.outbox[-1])})
    page = client.get("/accounts/sessions/")
    assert "Chrome on Linux" in text(page)

    client.post("/accounts/sessions/")

    assert [b.get("/garage/").status_code for b in browsers] == [200, 302]


@pytest.mark.parametrize("page", ["login/", "login/code/", "signup/", "signup/passkey/"])
def test_the_doors_open_without_an_inline_anything(client, page):
    answer = client.get(f"/accounts/{page}")

    assert answer.status_code == 200
    assert "style=" not in text(answer)
    assert not re.search(r"<script(?![^>]*(src=|application/json))", text(answer))


@pytest.mark.parametrize(
    "page",
    [
        "email/",
        "2fa/",
        "2fa/webauthn/",
        "2fa/webauthn/add/",
        "2fa/totp/activate/",
        "sessions/",
        "logout/",
    ],
)
def test_the_accounts_own_pages_open(client, page):
    user = make_user()
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    client.force_login(user)

    answer = client.get(f"/accounts/{page}")

    assert answer.status_code == 200
    assert '<html lang="en">' in text(answer)
    assert "style=" not in text(answer)


def test_the_table_for_sign_in_limits_is_made_by_a_migration():
    cache.set("somebody", 1, 60)

    assert cache.get("somebody") == 1
    assert "django_cache" in connection.introspection.table_names()
