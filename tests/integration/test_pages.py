"""The pages around the garage: the landing page, what is said of errors, headers, health."""

import json
import re

import pytest
from django.conf import settings as django_settings
from django.contrib.staticfiles import finders
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.template.loader import render_to_string
from django.test import Client

from connectivity import health
from tests.factories import make_user
from tests.integration.conftest import eventually

pytestmark = pytest.mark.django_db


def text(response):
    return response.content.decode()


def test_the_landing_page_says_what_it_costs_and_what_one_gets(client):
    answer = text(client.get("/"))

    assert re.search(r"<b>\$10</b> a month or <b>\$100</b> a year", answer)
    for feature in ("Live traffic", "Satellite maps", "Karaoke", "Live camera view"):
        assert feature in answer
    for kept in ("Navigation", "Software updates", "Bluetooth", "Emergency call"):
        assert kept in answer
    assert 'href="/accounts/signup/"' in answer


def test_who_is_signed_in_is_led_to_the_garage(client):
    client.force_login(make_user())

    assert "Open your garage" in text(client.get("/"))


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/accounts/signup/"])
def test_every_page_is_served_under_a_strict_policy(client, path):
    policy = client.get(path).headers["Content-Security-Policy"]

    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "https://checkout.stripe.com" in policy


def test_no_page_claims_a_language_that_it_is_not_written_in(client):
    client.force_login(make_user())

    answer = client.post("/garage/add/", {}, headers={"accept-language": "de-DE,de;q=0.9"})

    assert '<html lang="en">' in text(answer)
    assert "This field is required" in text(answer)


def test_every_static_file_that_a_page_names_is_there(client):
    names = set()
    for path in ("/", "/accounts/login/"):
        names |= set(re.findall(r'(?:href|src)="/static/([^"#]+)', text(client.get(path))))

    assert len(names) >= 5
    assert [name for name in names if not finders.find(name)] == []


def test_every_icon_that_a_template_names_is_in_the_sprite():
    base = django_settings.BASE_DIR
    sprite = (base / "connectivity/static/img/icons.svg").read_text()
    drawn = set(re.findall(r'<symbol id="([a-z]+)"', sprite))
    used = set()
    for template in (base / "templates").rglob("*.html"):
        used |= set(re.findall(r'icon\.html" with name="([a-z]+)"', template.read_text()))
    lines = (base / "fleet/sentences.py").read_text() + (base / "fleet/lines.py").read_text()
    used |= set(re.findall(r'^ +"([a-z]+)",\n +"(?:calm|good|wait|warn)"', lines, re.MULTILINE))

    assert used - drawn == set()
    assert drawn >= {"check", "alert", "traffic", "satellite"}


def test_a_form_without_its_token_says_what_to_do():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user())

    answer = client.post("/garage/add/", {})

    assert answer.status_code == 403
    assert "reload the page" in text(answer)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (400, "could not read"),
        (403, "not for you"),
        (404, "nothing here"),
        (429, "too much at once"),
        (500, "on our side"),
    ],
)
def test_each_error_has_a_page_of_ours(rf, code, said):
    page = render_to_string(f"{code}.html", request=rf.get("/") if code != 500 else None)

    assert said in page
    assert '<html lang="en">' in page


def test_an_unknown_address_is_answered_by_our_page_in_production(client, settings):
    settings.DEBUG = False

    answer = client.get("/nonsense/")

    assert answer.status_code == 404
    assert "There is nothing here" in text(answer)


@pytest.mark.parametrize(
    ("base", "key", "said"),
    [
        ("http://localhost:1", "sk_test_x", "Sandbox: no real payment"),
        ("", "sk_test_x", "Test: no real payment"),
        ("", "rk_test_x", "Test: no real payment"),
    ],
)
def test_where_no_money_moves_every_page_says_so(client, settings, base, key, said):
    settings.STRIPE_API_BASE, settings.STRIPE_SECRET_KEY = base, key

    answer = text(client.get("/"))

    assert said in answer
    assert ("/car/" in answer) is bool(base)


@pytest.mark.parametrize("key", ["sk_live_x", "rk_live_x"])
def test_where_money_moves_nothing_is_said_above_the_page(client, settings, key):
    settings.STRIPE_API_BASE, settings.STRIPE_SECRET_KEY = "", key

    assert 'class="ribbon"' not in text(client.get("/"))


def test_a_process_that_lives_says_so_without_asking_anybody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/livez").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_process_is_ready_when_all_that_it_needs_is(client):
    # A process that has just started may need longer than one answer to read its migrations.
    eventually(lambda: client.get("/readyz").status_code == 200)

    assert answer_of(client)["failing"] == {}


@pytest.mark.django_db(transaction=True)
def test_a_process_without_its_site_names_it(client, settings):
    settings.SITES = {"local": "redis://localhost:1/0"}

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "redis" in json.loads(answer.content)["failing"]


@pytest.mark.django_db(transaction=True)
def test_a_process_with_an_older_database_is_not_ready(client, monkeypatch):
    monkeypatch.setattr(health, "_migrated", False)
    recorder = MigrationRecorder(connection)
    [newest] = MigrationLoader(connection).graph.leaf_nodes("accounts")
    recorder.record_unapplied(*newest)
    try:
        eventually(lambda: answer_of(client)["failing"] == {"migrations": "1 not applied"})
    finally:
        recorder.record_applied(*newest)

    eventually(lambda: answer_of(client)["ready"])


def answer_of(client):
    return json.loads(client.get("/readyz").content)
