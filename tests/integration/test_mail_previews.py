"""Staff look at each mail in each language, as text and as HTML; nothing is sent."""

import re
from pathlib import Path

import pytest
from django.core import mail

from connectivity.notices import samples
from tests import staffed
from tests.factories import make_user

pytestmark = pytest.mark.django_db
TEMPLATES = Path(__file__).parents[2] / "templates"
ONE = "/admin/mails/payment_failed/"


def test_every_fact_that_a_mail_names_has_a_sample() -> None:
    known = samples.facts()
    texts = [*TEMPLATES.glob("notices/*.txt"), *TEMPLATES.glob("*/email/*.txt")]
    named = {
        (fact, path.name)
        for path in texts
        for fact in re.findall(r"{{ *(\w+)|=(\w+)\|", path.read_text())
        for fact in fact
        if fact
    }
    aliases = {"when", "device"}  # Named within a sentence, from a fact that is known.

    assert len(named) > 100
    assert [each for each in sorted(named) if each[0] not in known.keys() | aliases] == []


def test_staff_see_each_mail_in_both_languages() -> None:
    staff = staffed.sign_in(staffed.make_staff("Support"))

    listed = staff.get("/admin/mails/").content.decode()
    shown = staff.get(ONE).content.decode()

    assert [name for name in samples.names() if f'href="/admin/mails/{name}/"' not in listed] == []
    assert "Your payment for Premium Connectivity has failed (Model 3)" in shown
    assert "Ihre Zahlung für Premium Connectivity ist fehlgeschlagen (Model 3)" in shown
    assert "10,70\u00a0$" in shown
    assert "$10.70" in shown
    assert "24.03.2027" in shown
    assert shown.count("<iframe") == 4
    assert mail.outbox == []


def test_the_html_of_a_mail_may_do_nothing_but_look_as_it_does() -> None:
    staff = staffed.sign_in(staffed.make_staff("Support"))

    frame = staff.get(f"{ONE}de/most/")

    html, policy = frame.content.decode(), frame.headers["Content-Security-Policy"]
    assert '<html lang="de">' in html
    assert ">Auf der Seite des Fahrzeugs können Sie Ihre Karte aktualisieren</a>" in html
    assert frame.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert re.search(r"style-src 'sha256-[^']+'", policy)


@pytest.mark.parametrize("path", ["nonsense/", "payment_failed/fr/most/", "payment_failed/de/x/"])
def test_a_mail_that_there_is_not_is_not_found(path) -> None:
    assert staffed.sign_in(staffed.make_staff()).get(f"/admin/mails/{path}").status_code == 404


@pytest.mark.parametrize("path", ["/admin/mails/", ONE, f"{ONE}de/most/"])
def test_only_staff_who_see_mails_see_them(client, path) -> None:
    assert staffed.sign_in(staffed.make_staff("Fleet")).get(path).status_code == 403
    client.force_login(make_user())
    assert client.get(path).status_code == 302
