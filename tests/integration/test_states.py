"""Every state of the owners' pages: each is shown, none is missing, and nothing of it stays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from billing import specimens as made_up
from billing.models import DomainEvent, Grant, Subject, Subscription
from connectivity.specimens import page
from fleet import sentences
from fleet.entries import Hindrance
from fleet.models import Vehicle
from tests import staffed

pytestmark = pytest.mark.django_db
TEMPLATES = Path(__file__).parents[2] / "templates"
# Of other pages, and of what is no page of its own.
ELSEWHERE = ("admin/", "allauth/", "notices/", "/email/", "parts/", "/messages/", "/snippets/")
LIST = "/admin/states/"


@pytest.fixture
def staff() -> Client:
    client = staffed.sign_in(staffed.make_staff())
    client.raise_request_exception = False
    return client


def pages() -> set[str]:
    found = {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html")}
    return {name for name in found if not any(part in name for part in ELSEWHERE)}


def looked_at(staff: Client) -> Iterator[tuple[str, str, Any]]:
    """Each state with its page and the context that the page was made from."""
    for name in page.STATES:
        answer = staff.get(f"{LIST}{name}/")
        yield name, answer.content.decode(), answer


def test_every_state_has_a_page_and_leaves_nothing(staff: Client) -> None:
    failed, billing, cars, kept_from, used = set(), set(), set(), set(), set()
    rows = (Vehicle, Subscription, Grant, Subject, DomainEvent, get_user_model())
    before = [model.objects.count() for model in rows]
    for name, html, answer in looked_at(staff):
        if answer.status_code != 200 or "<h1" not in html:
            failed.add(name)
            continue
        used |= {template.name for template in answer.templates}
        context = answer.context or {}
        cards = [context["card"]] if "card" in context else context.get("cards") or []
        for card in cards:
            billing.add(card.state)
            cars.add(card.entry.line.state)
            kept_from.add(card.entry.hindrance)
    assert failed == set()
    assert [model.objects.count() for model in rows] == before
    assert set(sentences.BILLING) - billing == set(), "states of billing that no page shows"
    assert set(sentences.CAR) - cars == set(), "states of a car that no page shows"
    assert set(Hindrance) - kept_from == set(), "refusals that no page shows"
    assert sorted(pages() - used) == [], "pages that no state shows"


def test_staff_find_each_state_on_one_page(staff: Client) -> None:
    html = staff.get(LIST).content.decode()

    assert [name for name in page.STATES if f'href="{LIST}{name}/"' not in html] == []


def test_a_page_that_is_shown_can_do_nothing(staff: Client) -> None:
    answer = staff.get(f"{LIST}garage-cancel/")
    own = staff.cookies.get("csrf")

    assert "form-action 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.cookies.keys() == set()
    assert own is None
    assert 'name="csrfmiddlewaretoken"' in answer.content.decode()


def test_only_staff_see_it_and_only_where_no_real_owner_is(staff: Client, client, settings) -> None:
    one = f"{LIST}billing-active/"
    assert client.get(one).status_code == 302

    settings.EMBEDDED = False

    assert staff.get(LIST).status_code == staff.get(one).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_what_would_stay_is_not_made_up() -> None:
    with pytest.raises(made_up.NotUndone):
        made_up.subject(page.STATES["billing-none"].build)  # type: ignore[arg-type]
