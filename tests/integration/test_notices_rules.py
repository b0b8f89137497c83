"""Each event that is told has its mail, each mail its event; none fails for a missing fact."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from connectivity.notices import rules
from connectivity.notices.models import Notice
from connectivity.notices.tasks import sweep
from fleet.models import Delivery
from fleet.models import DomainEvent as FleetEvent
from tests.factories import Car, make_car, make_user
from tests.integration.telling import given, happened, its_page, moved, subscribed, told

pytestmark = pytest.mark.django_db
TEMPLATES = Path(__file__).parents[2] / "templates" / "notices"
# Sent by connectivity.accounts.moves, which knows an address that no user has any more.
SENT_ELSEWHERE = {
    "account_moved_old",
    "account_moved_new",
    "declared_cancel",
    "declared_withdraw",
}
SUB, LATER = "sub_other", "2026-12-01T08:20:00+00:00"
USD = {"amount": 500, "currency": "usd"}

# Kind of billing's event, what it says, the mail for a running subscription, words that are in it.
TOLD: list[tuple[str, dict[str, Any], str, str]] = [
    ("grant_given", {"source": "subscription"}, "premium_started", "$10.00 per month"),
    ("grant_given", {"source": "goodwill", "until": LATER}, "goodwill", "until Dec 1, 2026"),
    ("subscription_active", {"before": "paused"}, "premium_resumed", "runs again"),
    ("subscription_paused", {"before": "active"}, "premium_paused", "until Dec 22, 2026"),
    ("subscription_adopted", {}, "subscription_adopted", "$10.00 per month plus tax, on Dec 22"),
    ("subscription_lost_its_seat", {}, "paid_for_nothing", "You paid twice for your Model 3"),
    ("renewal_stopped", {"paid_through": LATER}, "cancel_scheduled", "until Dec 1, 2026"),
    ("renewal_resumed", {"paid_through": LATER}, "renewal_resumed", "$10.00 plus tax"),
    ("switched", {"to": "premium_yearly_usd", **USD}, "switched", "$5.00 were charged now"),
    ("switched", {"to": "year", **USD, "amount": 0}, "switched", "Nothing was charged now"),
    (
        "switch_scheduled",
        {"to": "premium_yearly_usd", "at": LATER},
        "switch_scheduled",
        "From Dec 1, 2026 on you pay $100.00 per year plus tax",
    ),
    ("extended", {"days": 1, "until": LATER}, "extended", "added 1 day to"),
    ("extended", {"days": 5, "until": LATER}, "extended", "added 5 days to"),
    ("withdrawn", USD, "withdrawn", "We give back $5.00 to the card that paid, within 14 days."),
    ("withdrawn", {}, "withdrawn", "Received: Nov 22, 2026, 08:20 UTC"),
    ("cancelled_now", {"refund": "none"}, "cancelled_now", "Nothing is given back."),
    ("cancelled_now", {"refund": "unused"}, "cancelled_now", "for the time after that"),
    ("cancelled_now", {"refund": "full", **USD}, "cancelled_now", "We give back $5.00"),
    ("trial_ending", {"charge_at": LATER, **USD}, "trial_ending", "$5.00 per month plus tax"),
    ("renewal_ahead", {"charge_at": LATER, **USD}, "renewal_ahead", "until Dec 1, 2026"),
    ("payment_failed", {"retry_at": LATER, **USD}, "payment_failed", "again on Dec 1, 2026"),
    ("payment_failed", {"retry_at": ""}, "payment_failed_last", "do not try again"),
    ("payment_failed", {"action_required": True}, "payment_needs_confirmation", "confirm"),
    ("payment_failed", {"attempts": 0, **USD}, "payment_to_resume", "once $5.00 are paid"),
    ("payment_recovered", {}, "payment_recovered", "paid until Dec 22, 2026"),
    ("refunded", USD, "refunded_kept", "Premium stays on"),
    ("refund_failed", USD, "refund_failed", "sent $5.00 back to us"),
    ("dispute_opened", USD, "dispute_opened", "Premium stays on until Dec 29, 2026"),
    ("dispute_won", USD, "dispute_won", "goes on as before"),
    ("dispute_lost", USD, "dispute_lost", "taken back $5.00 for good"),
    ("account_opened", {}, "account_opened", "Add your car: http://localhost:8000/garage/add/"),
    ("account_close_asked", {"until": LATER}, "account_close_asked", "closes on Dec 1, 2026"),
    ("account_kept", {}, "account_kept", "you decided to keep"),
    ("account_closing", {}, "account_closing", "on Nov 22, 2026, 08:20 UTC"),
    ("account_closed", {}, "account_closed", "our last mail to you"),
]
GARAGE = [
    ("vehicle_added", "vehicle_added"),
    ("vehicle_released", "vehicle_released"),
    ("vehicle_lost", "vehicle_released"),
    ("vehicle_retired", "vehicle_retired"),
    ("claim_opened", "claim_opened"),
    ("claim_released", "claim_decided"),
    ("claim_objected", "claim_decided"),
    ("claim_refused", "claim_decided"),
]
# Those whose case needs more than one event; they are in the tests that name them.
ELSEWHERE = {"subscription_canceled": "premium_ended"}
ENDED = {"trial_started", "refunded"}
# Told to others than a payer, or from other rows: each has tests of its own, by its first word.
OF_THEIR_OWN = ("delivery_", "driver_", "learning", "transfer_")


@pytest.fixture(autouse=True)
def _at_that_time(monkeypatch, now) -> None:
    monkeypatch.setattr("billing.clock.now", lambda: now)


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def car(owner) -> Car:
    return make_car(owner)


@pytest.mark.parametrize(("kind", "data", "template", "words"), TOLD)
def test_a_payer_is_told(now, owner, car, kind, data, template, words) -> None:
    subscribed(car, owner, now)
    happened(kind, car, owner, now, subscription=SUB, **data)
    [(subject, text)] = told()
    assert Notice.objects.get().template == template
    assert words in f"{subject}\n{text}"
    assert mail.outbox[0].to == [owner.email]


@pytest.mark.parametrize(("kind", "template"), GARAGE)
def test_an_owner_is_told(now, owner, car, kind, template) -> None:
    data = {"owner": str(owner.pk), "claimant": str(owner.pk)}
    FleetEvent.objects.create(kind=kind, at=now, vehicle=car.vehicle, data=data)
    told()
    assert Notice.objects.get().template == template


@pytest.mark.parametrize("source", ["billing", "fleet"])
def test_an_event_without_facts_gives_a_good_sentence(now, owner, car, source) -> None:
    """Nor does it stop the mails of others: nothing here is left untold by an error."""
    for app, kind in rules.RULES:
        if app == source == "billing":
            happened(kind, car, owner, now)
        elif app == source:
            FleetEvent.objects.create(kind=kind, at=now, vehicle=car.vehicle, actor=owner)
    sweep()
    assert not FleetEvent.objects.filter(noticed_at=None).exists()
    assert not Notice.objects.exclude(error="").exists()
    assert mail.outbox
    for sent in mail.outbox:
        said = f"{sent.subject}\n{sent.body}"
        assert not [wrong for wrong in ("None", "  ", " .", " ,", "()", "\n\n\n") if wrong in said]


def test_nobody_is_told_what_has_no_payer(now, car) -> None:
    for kind in {kind for source, kind in rules.RULES if source == "billing"}:
        happened(kind, car, None, now, subscription=SUB)
    told(0)


def test_who_owns_the_car_no_more_is_not_told_that_premium_stays_on(now, owner, car) -> None:
    happened("refunded", car, owner, now, amount=1399, currency="cad")
    [(subject, text)] = told()
    assert subject == "We have sent back CA$13.99"
    assert "stays on" not in text
    assert Notice.objects.get().template == "refunded"


def test_the_receipt_of_a_withdrawal(now, owner, car) -> None:
    happened("withdrawn", car, owner, now, subscription="sub_1", amount=933, currency="usd")
    assert told() == [
        (
            "Receipt: you have withdrawn from your contract (Model 3)",
            (
                "We have received your withdrawal.\n\n"
                "What you declared: I withdraw from my contract for Premium Connectivity.\n"
                f"Car: Model 3, VIN ending in {car.vehicle.vin[-6:]}\n"
                "Contract: sub_1\n"
                "Received: Nov 22, 2026, 08:20 UTC\n\n"
                "The contract has ended, and Premium with it. Nothing more is charged.\n\n"
                "We give back $9.33 to the card that paid, within 14 days.\n\n"
                "Keep this mail: it is your receipt."
            ),
        )
    ]


def test_a_trial_that_ends_can_be_cancelled_from_the_mail(now, owner, car) -> None:
    ends = now + timedelta(days=8)
    facts = {"status": "trialing", "trial_ends_at": ends, "period_ends_at": ends}
    card = {"card_brand": "visa", "card_last4": "4242"}
    subscribed(car, owner, now, **facts, paid_through=ends, **card)
    happened("trial_ending", car, owner, now, charge_at=ends.isoformat(), interval="month")
    assert told() == [
        (
            "Your trial of Premium Connectivity ends on Nov 30, 2026 (Model 3)",
            (
                "The trial of your Model 3 ends on Nov 30, 2026. The first charge is then $10.00 "
                "per month plus tax. It goes to your Visa •4242.\n\n"
                "Do you want to keep Premium? Then there is nothing to do. If not, cancel before "
                f"that day, in two clicks, and you pay nothing: {its_page(car, 'cancel/')}"
            ),
        )
    ]


def test_who_has_cancelled_is_not_reminded_of_a_charge(now, owner, car) -> None:
    subscribed(car, owner, now, ends_at=datetime.fromisoformat(LATER))
    happened("trial_ending", car, owner, now, charge_at=LATER)
    told(0)


def test_an_adopted_subscription_is_no_new_payment(now, owner, car) -> None:
    happened("subscription_adopted", car, owner, now, subscription=SUB)
    happened("grant_given", car, owner, now, subscription=SUB, source="subscription")
    told()
    assert Notice.objects.get().template == "subscription_adopted"


def test_who_gets_a_car_by_a_claim_is_told_once(now, owner, car) -> None:
    for kind in ("claim_granted", "claim_completed"):
        data = {"claimant": str(owner.pk)}
        FleetEvent.objects.create(kind=kind, at=now, vehicle=car.vehicle, data=data)
    moved(car, owner, now, "vehicle_added")
    told()
    assert Notice.objects.get().template == "vehicle_added"


def test_a_car_that_carries_a_gift_says_until_when(now, owner, car) -> None:
    given(car, now, "goodwill", datetime.fromisoformat(LATER))
    moved(car, owner, now, "vehicle_added")
    assert "Premium Connectivity until Dec 1, 2026" in told()[0][1]


@pytest.mark.parametrize("kind", ["vehicle_retired", "vehicle_lost", "vehicle_added"])
def test_staff_are_not_taken_for_the_owner(now, owner, car, kind) -> None:
    FleetEvent.objects.create(
        kind=kind, at=now, vehicle=car.vehicle, actor=owner, data={"owner": ""}
    )
    told(0)


def test_an_anonymous_account_is_written_to_no_more(now, car) -> None:
    gone = make_user("gone-1@removed.invalid")
    happened("account_closed", car, gone, now)
    told(0)


@pytest.mark.parametrize(("was", "words"), [("failed", "could not apply"), ("sent", "was online")])
def test_an_owner_hears_once_of_a_car_that_takes_nothing(now, owner, car, was, words) -> None:
    Delivery.objects.create(
        vehicle=car.vehicle, version=7, plan="premium", reference="D-ABC123", changed_at=now
    )
    for retry in range(1, 8):
        data = {"version": 7, "retry": retry, "was": was}
        FleetEvent.objects.create(kind="delivery_retried", at=now, vehicle=car.vehicle, data=data)
    [(subject, text)] = told()
    assert subject == "Your Model 3 does not take a change from us"
    assert words in text
    assert "this reference: D-ABC123" in text
    assert mail.outbox[0].to == [owner.email]


def test_a_german_reads_german(now, car) -> None:
    reader = make_user(language="de")
    subscribed(car, reader, now)
    happened("renewal_stopped", car, reader, now, subscription=SUB, paid_through=LATER)
    happened("switched", car, reader, now, to="premium_yearly_usd", **USD)
    cancelled, switched = told(2)
    assert cancelled[0] == "Premium Connectivity ist für Ihr Model 3 gekündigt"
    assert cancelled[1].startswith("Sie behalten Premium bis 01.12.2026. Es wird nichts mehr")
    assert "zahlen Sie 100,00\u00a0$ pro Jahr zuzüglich Steuer" in switched[1]
    sent = mail.outbox[0]
    assert isinstance(sent, mail.EmailMultiAlternatives)
    html = str(sent.alternatives[0][0])
    assert '<html lang="de">' in html
    assert "Sie behalten Premium bis 01.12.2026." in html


def test_every_event_has_a_template_and_every_template_an_event() -> None:
    covered = {("billing", kind) for kind in [*ELSEWHERE, *(row[0] for row in TOLD)]}
    covered |= {("fleet", kind) for kind, _ in GARAGE}
    assert covered == {key for key in rules.RULES if not key[1].startswith(OF_THEIR_OWN)}
    used = {row[2] for row in TOLD} | {template for _, template in GARAGE}
    found = {file.stem for file in TEMPLATES.glob("*.txt")}
    there = {name for name in found if not name.startswith(OF_THEIR_OWN)}
    assert there == used | set(ELSEWHERE.values()) | ENDED | SENT_ELSEWHERE
