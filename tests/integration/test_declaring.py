"""The public pages on which contracts end: what they take, answer, keep and mail, and for whom."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from billing import clock
from connectivity.law import matching
from connectivity.law.models import Declaration
from connectivity.law.tasks import sweep
from connectivity.notices.models import Notice
from connectivity.notices.tasks import sweep as tell
from connectivity.stalls import stalls
from tests.factories import make_car, make_user
from tests.integration.test_garage_pages import subscribe, text
from tests.staffed import make_staff, sign_in

pytestmark = pytest.mark.django_db

CANCEL, WITHDRAW = "/kuendigen/", "/withdraw/"


def form_of(url: str, **typed: str) -> dict[str, str]:
    """The form as the page gives it to a stranger, filled in."""
    shown = text(Client().get(url))
    token = re.search(r'name="form" value="([0-9a-f-]{36})"', shown)
    assert token is not None
    ordinary = {"manner": "ordinary"} if url == CANCEL else {}
    who = {"name": "Jo Doe", "email": "Jo@Example.com", "reference": "the red one"}
    return {"form": token[1], **who, **ordinary, **typed}


def declares(url: str, browser: Client | None = None, **typed: str) -> Any:
    return (browser or Client()).post(url, form_of(url, **typed))


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/terms/", CANCEL])
def test_every_page_leads_to_them_without_a_detour(client, path) -> None:
    foot = text(client.get(path)).partition("<footer")[2]
    assert f'<a href="{CANCEL}">Cancel contracts here</a>' in foot
    assert f'<a href="{WITHDRAW}">Withdraw from contract here</a>' in foot
    assert "<details" not in foot


@pytest.mark.parametrize(
    ("url", "button"), [(CANCEL, "Cancel now"), (WITHDRAW, "Confirm withdrawal")]
)
def test_one_page_asks_and_has_the_button_that_declares(client, url, button) -> None:
    shown = text(client.get(url))
    assert f'<button type="submit">{button}</button>' in shown
    assert 'name="email"' in shown
    assert not Declaration.objects.exists()


def test_who_is_signed_in_need_not_type_their_only_car(client) -> None:
    owner = make_user("jo@example.com")
    vin = make_car(owner).vehicle.vin
    client.force_login(owner)

    assert f'value="{vin}"' in text(client.get(CANCEL))
    make_car(owner)
    assert vin not in text(client.get(CANCEL))


def test_the_receipt_says_what_was_declared_and_when_to_the_second(moving_clock) -> None:
    answer = declares(CANCEL, manner="good_cause", reason="It never worked: https://evil.test/x")

    kept = Declaration.objects.get()
    assert answer.status_code == 200
    at = kept.received_at.strftime("%H:%M:%S UTC")
    for said in ("Jo Doe", "jo@example.com", "the red one", "It never worked", at):
        assert said in text(answer)
    tell()
    (receipt,) = mail.outbox
    assert (receipt.to, receipt.subject) == (
        ["jo@example.com"],
        "Receipt: we have received your cancellation",
    )
    for said in ("Jo Doe", "the red one", "It never worked", "for good cause", at):
        assert said in receipt.body
    # Anybody can have this sent to anybody.
    assert "https://evil.test" not in receipt.body


def test_the_receipt_is_in_the_readers_language(client) -> None:
    client.post("/language/", {"language": "de", "next": "/"})
    declares(WITHDRAW, client)
    assert Declaration.objects.get().language == "de"


def test_who_has_an_account_and_who_has_none_get_the_same_answer() -> None:
    owner = make_user("owner@example.com")
    car = make_car(owner)
    subscribe(car, owner)
    shown = [
        text(declares(CANCEL, email=email, reference=car.vehicle.vin))
        for email in ("owner@example.com", "other@example.com")
    ]
    words = [re.sub(r"owner@|other@", "", re.sub(r"\d\d:\d\d:\d\d", "", page)) for page in shown]
    words = [re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page) for page in words]
    assert words[0] == words[1]
    # Nothing was looked up while they waited.
    assert set(Declaration.objects.values_list("state", flat=True)) == {"received"}


def test_a_form_that_is_sent_twice_declares_once_and_one_that_was_changed_twice() -> None:
    form = form_of(CANCEL)
    for typed in ({}, {}, {"reference": "the blue one"}):
        assert Client().post(CANCEL, {**form, **typed}).status_code == 200
    kept = Declaration.objects.order_by("id").values_list("reference", flat=True)
    assert list(kept) == ["the red one", "the blue one"]


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("email", "nonsense", "Enter a valid email address."),
        ("name", "", "This field is required."),
        ("reference", "", "This field is required."),
        ("ends_on", "2020-01-01", "This day has passed."),
        ("ends_on", "tomorrow", "Write the date as year-month-day"),
        ("manner", "good_cause", "Name your reason."),
    ],
)
def test_what_is_wrong_is_named_at_its_field(field, typed, said) -> None:
    answer = declares(CANCEL, **{field: typed})
    assert answer.status_code == 422
    assert not Declaration.objects.exists()
    about = "reason" if field == "manner" else field
    error = re.search(rf'id="id_{about}_error".*?</div>', text(answer), re.DOTALL)
    assert error is not None
    assert said in error[0]


def test_too_many_receipts_to_one_address_are_refused_with_another_way() -> None:
    answers = [declares(CANCEL, reference=f"car {number}") for number in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert "write to support@localhost" in text(answers[-1])
    assert Declaration.objects.count() == 5


def test_what_fits_no_contract_is_open_work_with_its_time_until_staff_settle_it() -> None:
    owner = make_user("owner@example.com")
    car = make_car(owner)
    subscription = subscribe(car, owner)
    # The right car, but not its payer's address.
    declares(CANCEL, reference=car.vehicle.vin)
    sweep()
    row = Declaration.objects.get()
    assert (row.state, row.subject_id, row.payer) == ("open", None, None)
    subscription.refresh_from_db()
    assert subscription.ends_at is None
    waits = next(each for each in stalls(clock.now()) if each.what == "declarations")
    assert waits.count == 1

    staff = sign_in(make_staff("Support"))
    listed = text(staff.get("/admin/law/declaration/"))
    assert row.received_at.strftime("%H:%M") in listed
    assert "jo@example.com" not in listed
    address = f"/admin/law/declaration/{row.pk}/settle/"
    assert staff.post(address, {"reason": "Found by phone, ended by hand."}).status_code == 302
    row.refresh_from_db()
    assert row.state == "settled"
    assert "Found by phone" in row.outcome
    assert not [each for each in stalls(clock.now()) if each.what == "declarations"]
    assert sign_in(make_staff("Auditor")).post(address, {"reason": "x" * 9}).status_code == 403


def test_what_is_meant_is_named_by_number_by_vin_or_by_how_that_ends() -> None:
    owner = make_user("jo@example.com")
    car = make_car(owner)
    contract = subscribe(car, owner)
    vin = car.vehicle.vin

    def found(reference: str) -> bool:
        said = Declaration(email="jo@example.com", reference=reference)
        meant = matching.contract_of(said)
        return meant is not None and meant.vehicle == car.vehicle

    # One that nobody named is not meant, were it the only one.
    assert not any(map(found, ["5YJ3E1EA0KF999999", "sub_other", "car", vin[-5:], ""]))
    subscribe(make_car(owner), owner)
    named = [vin.lower(), f" {vin[:8]} {vin[8:]}", vin[-6:], contract.stripe_subscription_id]
    assert all(map(found, named))


def test_a_receipts_link_that_we_did_not_write_leads_nowhere(client) -> None:
    assert client.get("/withdraw/1:abc:def/").status_code == 404


def test_what_was_declared_is_kept_for_four_years_and_no_longer(moving_clock) -> None:
    declares(CANCEL)
    declares(WITHDRAW)
    sweep()
    Declaration.objects.filter(kind="cancel").update(state="settled")
    moving_clock.advance(days=4 * 366 - 1)
    sweep()
    assert Declaration.objects.count() == Notice.objects.count() == 2

    moving_clock.advance(days=2)
    sweep()

    # What staff have not settled yet stays.
    assert Declaration.objects.get().kind == "withdraw"
    assert Notice.objects.get().template == "declared_withdraw"
