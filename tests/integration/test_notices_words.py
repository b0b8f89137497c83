"""The mails that matter most, in their very words, and that one fact is told by one mail."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from connectivity.notices.models import Notice
from connectivity.notices.tasks import sweep
from fleet.models import Ownership
from tests.factories import Car, make_car, make_user
from tests.integration.telling import given, happened, its_page, moved, subscribed, told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _at_that_time(monkeypatch, now) -> None:
    monkeypatch.setattr("billing.clock.now", lambda: now)


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def car(owner) -> Car:
    return make_car(owner)


def failure(**changed: Any) -> dict[str, Any]:
    return {
        "subscription": "sub_1",
        "invoice": "in_1",
        "amount": 1000,
        "currency": "usd",
        "retry_at": "2026-11-25T08:20:00+00:00",
        "access_until": "2026-11-29T08:20:00+00:00",
        "pay_url": "https://invoice.example.com/i?a=1&b=2",
        "action_required": False,
        **changed,
    }


def test_a_failed_payment_says_what_follows_and_what_to_do(now, owner, car) -> None:
    happened("payment_failed", car, owner, now, **failure())
    assert told() == [
        (
            "Your payment for Premium Connectivity has failed (Model 3)",
            (
                "We could not charge $10.00 for Premium Connectivity in your Model 3. We try "
                "again on Nov 25, 2026.\n\n"
                "Premium stays on until Nov 29, 2026 while we try.\n\n"
                f"You can update your card on the car's page: {its_page(car)}\n\n"
                "Or pay now: https://invoice.example.com/i?a=1&b=2"
            ),
        )
    ]


def test_the_last_failure_promises_no_other_try(now, owner, car) -> None:
    happened("payment_failed", car, owner, now, **failure(retry_at=""))
    assert told() == [
        (
            "The last try to charge you for Premium Connectivity has failed (Model 3)",
            (
                "We could not charge $10.00 for Premium Connectivity in your Model 3, and we do "
                "not try again.\n\n"
                "Premium stays on until Nov 29, 2026. Then the car goes back to Standard "
                "Connectivity.\n\n"
                "To have Premium, pay here: https://invoice.example.com/i?a=1&b=2\n\n"
                f"How it stands, and your card: {its_page(car)}"
            ),
        )
    ]


def test_time_that_has_run_out_is_not_promised(now, owner, car) -> None:
    until = (now - timedelta(seconds=1)).isoformat()
    happened("payment_failed", car, owner, now, **failure(access_until=until))
    [(_, text)] = told()
    assert "stays on" not in text
    assert "Until the payment comes, the car has Standard Connectivity." in text


def test_a_bank_that_wants_a_confirmation_gets_a_link(now, owner, car) -> None:
    happened("payment_failed", car, owner, now, **failure(action_required=True))
    assert told() == [
        (
            "Your bank asks you to confirm a payment (Model 3)",
            (
                "Your bank wants you to confirm the payment of $10.00 for Premium Connectivity in "
                "your Model 3. It is not charged before you do.\n\n"
                "Confirm it here: https://invoice.example.com/i?a=1&b=2\n\n"
                "Premium stays on until Nov 29, 2026 in the meantime."
            ),
        )
    ]


def test_the_amount_is_in_the_currency_of_the_event(now, owner, car) -> None:
    happened("payment_failed", car, owner, now, **failure(currency="cad", amount=1399))
    assert "CA$13.99" in told()[0][1]


def test_a_payment_that_came_after_all(now, owner, car) -> None:
    subscribed(car, owner, now)
    happened("payment_recovered", car, owner, now, invoice="in_1")
    [(subject, text)] = told()
    assert subject == "Your payment for Premium Connectivity has come (Model 3)"
    assert "It is paid until Dec 22, 2026." in text
    assert "active" not in text


def test_a_pause_and_its_end(now, owner, car) -> None:
    stripe_id = subscribed(car, owner, now)
    happened("subscription_paused", car, owner, now, subscription=stripe_id, before="active")
    happened("subscription_active", car, owner, now, subscription=stripe_id, before="paused")
    paused, resumed = told(2)
    assert paused[0] == "Premium Connectivity is paused for your Model 3"
    assert "What you have paid for stays yours until Dec 22, 2026." in paused[1]
    assert resumed[0] == "Premium Connectivity goes on for your Model 3"
    assert "paid until Dec 22, 2026. The next charge is $10.00 plus tax, on Dec 22" in resumed[1]


@pytest.mark.parametrize("before", ["", "incomplete", "trialing", "past_due", "unpaid"])
def test_what_became_active_otherwise_is_told_by_another_event(now, owner, car, before) -> None:
    happened("subscription_active", car, owner, now, subscription="sub_1", before=before)
    told(0)


def test_an_end_by_itself_says_what_the_car_has_now(now, owner, car) -> None:
    stripe_id = subscribed(car, owner, now, status="canceled")
    happened("subscription_canceled", car, owner, now, subscription=stripe_id, before="past_due")
    assert told() == [
        (
            "Premium Connectivity has ended for your Model 3",
            (
                "Your subscription has ended because it was not paid. Your card is not tried again."
                "\n\nThe car goes back to Standard Connectivity: routing, software updates, "
                "Bluetooth and emergency calls go on as before.\n\n"
                f"You can subscribe again any time: {its_page(car)}"
            ),
        )
    ]


def test_the_scheduled_end_is_told_when_it_comes(now, owner, car) -> None:
    stripe_id = subscribed(car, owner, now, status="canceled")
    facts = {"subscription": stripe_id, "paid_through": now.isoformat()}
    happened("renewal_stopped", car, owner, now, **facts)
    happened("subscription_canceled", car, owner, now, subscription=stripe_id, before="active")
    assert [subject for subject, _ in told(2)] == [
        "Premium Connectivity is cancelled for your Model 3",
        "Premium Connectivity has ended for your Model 3",
    ]
    assert "Nothing more is charged." in mail.outbox[1].body


def test_an_end_leaves_what_came_with_the_car(now, owner, car) -> None:
    stripe_id = subscribed(car, owner, now, status="canceled")
    given(car, now, "goodwill", now + timedelta(days=10))
    happened("subscription_canceled", car, owner, now, subscription=stripe_id, before="active")
    [(_, text)] = told()
    assert "The car still has Premium until Dec 2, 2026" in text
    assert "Standard" not in text


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("withdrawn", {}),
        ("cancelled_now", {"refund": "none"}),
        ("dispute_lost", {}),
        ("subscription_lost_its_seat", {}),
        ("account_closing", {}),
        ("renewal_stopped", {"paid_through": ""}),
        ("seat_vacated", None),
    ],
)
def test_an_end_that_was_told_is_not_told_again(now, owner, car, kind, data) -> None:
    stripe_id = subscribed(car, owner, now, status="canceled")
    happened(kind, car, owner, now, **({} if data is None else {"subscription": stripe_id, **data}))
    happened("subscription_canceled", car, owner, now, subscription=stripe_id, before="active")
    sweep()
    assert not Notice.objects.filter(template="premium_ended").exists()


def test_an_earlier_release_does_not_silence_the_next_subscription(now, owner, car) -> None:
    happened("seat_vacated", car, owner, now)
    stripe_id = subscribed(car, owner, now, status="canceled")
    happened("subscription_canceled", car, owner, now, subscription=stripe_id, before="unpaid")
    assert told()[0][0] == "Premium Connectivity has ended for your Model 3"


def test_what_never_began_does_not_end(now, owner, car) -> None:
    happened("subscription_canceled", car, owner, now, subscription="sub_1", before="incomplete")
    told(0)


def test_both_sides_of_a_sale_have_it_in_writing(now, owner, car) -> None:
    subscribed(car, owner, now, status="canceled")
    given(car, now, "trial", now + timedelta(days=10))
    Ownership.objects.update(starts_at=now - timedelta(days=9), ends_at=now)
    buyer = make_user()
    moved(car, owner, now)
    moved(car, buyer, now + timedelta(minutes=5), "vehicle_added")
    seller_mail, buyer_mail = told(2)
    assert [sent.to for sent in mail.outbox] == [[owner.email], [buyer.email]]
    assert seller_mail == (
        "The Model 3 has left your garage",
        (
            "The Model 3 left your garage on Nov 22, 2026, 08:20 UTC.\n\n"
            "Your subscription to Premium Connectivity for it ended at that moment; it does not "
            "go to the next owner. Nothing more is charged. Unused time that you have paid for is "
            "given back to the card that paid: we write again with the amount.\n\n"
            "What came with the car stays with the car. What you allowed with it, such as camera "
            "clips or additional drivers, has ended.\n\n"
            "Keep this mail as your proof. If you did not expect it, write to our support."
        ),
    )
    assert buyer_mail == (
        "The Model 3 is in your garage",
        (
            "The Model 3 has been in your garage since Nov 22, 2026, 08:25 UTC.\n\n"
            "It comes with a trial of Premium Connectivity until Dec 2, 2026. The trial ends by "
            "itself; you are charged nothing.\n\n"
            "A subscription of the owner before you has ended and did not come with the car.\n\n"
            "Keep this mail as your proof. If you did not add this car, write to our support."
        ),
    )


def test_who_paid_nothing_is_promised_nothing(now, owner, car) -> None:
    moved(car, owner, now)
    [(_, text)] = told()
    assert "nothing is given back" in text


def test_a_first_owner_hears_of_no_former_one(now, owner, car) -> None:
    given(car, now, "factory", None)
    moved(car, owner, now, "vehicle_added")
    [(_, text)] = told()
    assert "Premium Connectivity for life" in text
    assert "before you" not in text
