"""What people agreed to is kept as they read it; all that is kept of them is theirs to have."""

import io
import json
import re
import zipfile
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth import get_user_model

from billing import agreements, events, records
from billing.models import Agreement, Checkout, DomainEvent
from connectivity.law import export
from fleet import agreeing
from tests.factories import make_car, make_user
from tests.integration.conftest import Stripe
from tests.integration.test_closing import fresh
from tests.integration.test_garage_pages import browser_of, page, subscribe, text
from tests.staffed import make_staff, sign_in

pytestmark = pytest.mark.django_db
DATA, DOWNLOAD = "/accounts/data/", "/accounts/data/download/"
# Who did something as staff is in the trail of whom it was done to, and not their own data.
ONLY_AS_STAFF = {"fleet.Pace.actor", "fleet.Rollout.actor", "law.Declaration.decided_by"}


@pytest.fixture
def owner():
    return make_user("owner@example.com")


def unzipped(answer) -> Any:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        assert sorted(file.namelist()) == ["README.txt", "data.json"]
        return json.loads(file.read("data.json"))


def test_the_file_holds_what_is_kept_and_no_secret(owner) -> None:
    car, other = make_car(owner), make_car(make_user())
    subscribe(car, owner)
    EmailAddress.objects.create(user=owner, email=owner.email, verified=True)
    Authenticator.objects.create(user=owner, type="recovery_codes", data={"seed": "very-secret"})
    browser = fresh(owner)
    events.record("x_happened", payer=owner, actor=make_user(), data={}, now=car.vehicle.created_at)

    answer = browser.post(DOWNLOAD)

    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "no-store" in answer.headers["Cache-Control"]
    found = unzipped(answer)
    assert [each["vin"] for each in found["cars"]] == [car.vehicle.vin]
    assert found["subscriptions"][0]["stripe_subscription_id"] == f"sub_{car.vehicle.id}"
    assert found["account"][0]["email"] == "owner@example.com"
    assert {each["kind"] for each in found["what_happened_to_payments"]} >= {"x_happened"}
    whole = json.dumps(found)
    for secret in ("very-secret", other.vehicle.vin, car.vehicle.public_key, owner.password):
        assert secret not in whole
    assert DomainEvent.objects.filter(kind="data_exported", payer=owner).exists()


def test_each_model_that_names_a_person_is_in_the_file() -> None:
    """One that is added later has to be told, or excused above."""
    told = [Agreement, *vars(records).values(), *vars(export).values()]
    missing = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.related_model is get_user_model() and model not in told
    }
    assert missing <= ONLY_AS_STAFF


def test_who_did_not_just_sign_in_gets_no_file(owner) -> None:
    browser = fresh(owner, ago=3_600)
    assert "sign in once more" in text(browser.get(DATA))
    assert browser.post(DOWNLOAD).headers["Location"] == DATA
    assert browser.get(DOWNLOAD).status_code == 405


def test_a_stranger_is_sent_to_sign_in(client) -> None:
    for path in (DATA, DOWNLOAD):
        assert client.post(path).status_code in (302, 405)
    assert client.get(DATA).headers["Location"].startswith("/accounts/login/")


@pytest.mark.django_db(transaction=True)
def test_what_was_read_is_what_is_kept_and_shown(stripe: Stripe, owner) -> None:
    car, browser = make_car(owner, market="DE"), browser_of(owner)
    wish = {"lookup_key": "premium_monthly_eur"}
    shown = text(browser.get(page(car)))
    refused = browser.post(page(car, "subscribe"), wish, follow=True)
    assert "Tick the box above the button first" in text(refused)
    assert not Checkout.objects.exists()

    answer = browser.post(page(car, "subscribe"), {**wish, "start_now": "1"})

    assert answer.status_code == 303
    kept = Agreement.objects.get()
    assert kept.asked_to_start
    facts = (kept.terms, kept.unit_amount, kept.currency, kept.interval, kept.language)
    assert facts == (agreements.TERMS, 1000, "eur", "month", "en")
    read = re.sub(r"\s+", " ", shown.replace("&#x27;", "'"))
    assert all(each in read for each in kept.words.values())
    assert kept.words["button"] == "Subscribe for €10 a month"
    assert "14 days" in kept.words["withdrawal"]
    theirs = text(browser.get(DATA)).replace("&#x27;", "'")
    assert kept.words["start"] in theirs
    assert f"version {agreements.TERMS}" in theirs
    listed = sign_in(make_staff("Support")).get(f"/admin/billing/agreement/?q={car.vehicle.vin}")
    assert agreements.TERMS in text(listed)


def test_where_nobody_can_withdraw_nobody_is_asked(owner) -> None:
    car = make_car(owner)
    assert agreeing.terms(car.vehicle).start == ""
    assert 'name="start_now"' not in text(browser_of(owner).get(page(car)))
