"""People are told once, in their language, and a mail that could not go out goes out later."""

from datetime import UTC, datetime
from smtplib import SMTPRecipientsRefused
from threading import Event, Thread

import pytest
from django.conf import settings
from django.core import mail
from django.db import connection

from billing.models import DomainEvent
from billing.standing import Standing
from connectivity.notices import outbox
from connectivity.notices.models import Notice
from connectivity.notices.tasks import sweep
from fleet.models import DomainEvent as FleetEvent
from tests.factories import make_car, make_user

pytestmark = pytest.mark.django_db


def granted(owner, car, now) -> DomainEvent:
    return DomainEvent.objects.create(
        kind="grant_given",
        at=now,
        subject_id=car.vehicle.id,
        payer=owner,
        data={"source": "subscription"},
    )


def test_a_payer_is_told_once_that_premium_is_active(now) -> None:
    owner = make_user()
    car = make_car(owner)
    event = granted(owner, car, now)
    sweep()
    sweep()
    assert [sent.to for sent in mail.outbox] == [[owner.email]]
    assert mail.outbox[0].subject.startswith("Premium Connectivity is active")
    assert mail.outbox[0].subject.endswith("for your Model 3")
    signed = f"\n\n-- \nPremium Connectivity\n{settings.SUPPORT_EMAIL}\n"
    assert mail.outbox[0].body.endswith(signed)
    told = f"{mail.outbox[0].subject}\n{mail.outbox[0].body}"
    assert car.vehicle.vin[-6:] not in told
    event.refresh_from_db()
    assert event.noticed_at is not None


def test_the_same_event_told_twice_is_one_mail(now) -> None:
    owner = make_user()
    event = granted(owner, make_car(owner), now)
    sweep()
    DomainEvent.objects.filter(pk=event.pk).update(noticed_at=None)
    sweep()
    assert len(mail.outbox) == 1


def test_a_gift_is_no_receipt(now) -> None:
    owner = make_user()
    event = granted(owner, make_car(owner), now)
    DomainEvent.objects.filter(pk=event.pk).update(data={"source": "trial"})
    sweep()
    assert mail.outbox == []


@pytest.mark.parametrize(
    ("kind", "template", "words"),
    [
        ("claim_opened", "claim_opened", "Somebody says"),
        ("vehicle_released", "vehicle_released", "left your garage"),
    ],
)
def test_an_owner_is_told_what_happens_to_their_car(now, kind, template, words) -> None:
    owner = make_user()
    car = make_car(owner)
    FleetEvent.objects.create(
        kind=kind, at=now, vehicle=car.vehicle, actor=owner, data={"owner": str(owner.pk)}
    )
    sweep()
    assert Notice.objects.get().template == template
    assert words in mail.outbox[0].subject


@pytest.mark.parametrize("outcome", ["released", "objected", "refused"])
def test_a_claimant_is_told_how_it_ended(now, outcome) -> None:
    claimant = make_user()
    FleetEvent.objects.create(
        kind=f"claim_{outcome}",
        at=now,
        vehicle=make_car().vehicle,
        data={"claimant": str(claimant.pk)},
    )
    sweep()
    assert mail.outbox[0].to == [claimant.email]
    assert mail.outbox[0].body.strip()


def test_a_mail_server_that_is_away_delays_a_mail_and_loses_none(
    now, settings, moving_clock
) -> None:
    owner = make_user()
    granted(owner, make_car(owner), now)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    sweep()
    notice = Notice.objects.get()
    assert notice.sent_at is None
    assert notice.attempts == 1
    assert "refused" in notice.error
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    sweep()
    assert mail.outbox == []
    moving_clock.advance(seconds=6)
    sweep()
    assert len(mail.outbox) == 1


def test_one_mail_that_cannot_be_written_holds_up_no_other(now) -> None:
    person = make_user()
    for number, template in enumerate(["no_such_template", "refunded"]):
        outbox.tell(
            source="billing",
            event_id=number,
            template=template,
            recipient=person.email,
            user=person,
            context={"amount": "$1.00", "car": "car"},
            now=now,
        )
    outbox.send_due(now=now)
    assert [sent.subject for sent in mail.outbox] == ["We have sent back $1.00"]
    assert "no_such_template" in Notice.objects.get(template="no_such_template").error


def test_a_trial_is_not_thanked_for_with_a_payment(now, monkeypatch) -> None:
    owner = make_user()
    car = make_car(owner)
    monkeypatch.setattr(
        "billing.standing.standing",
        lambda *_a, **_k: Standing(
            "premium",
            "trial",
            None,
            "trialing",
            unit_amount=1000,
            currency="usd",
            interval="month",
            paid_through=datetime(2026, 12, 23, 8, 0, tzinfo=UTC),
        ),
    )
    granted(owner, car, now)
    sweep()
    assert "Nothing has been charged yet" in mail.outbox[0].body
    assert "on Dec 23, 2026, when the trial ends" in mail.outbox[0].body
    assert "payment is confirmed" not in mail.outbox[0].body


def test_a_refused_address_is_in_no_log(now, caplog, monkeypatch) -> None:
    person = make_user("somebody@example.com")

    def refuse(_mail: mail.EmailMessage) -> None:
        raise SMTPRecipientsRefused({person.email: (550, b"no such user")})

    monkeypatch.setattr(mail.EmailMessage, "send", refuse)
    outbox.tell(
        source="billing",
        event_id=1,
        template="account_moved_old",
        recipient=person.email,
        user=person,
        context={},
        now=now,
    )
    outbox.send_due(now=now)
    assert Notice.objects.get().error == "SMTPRecipientsRefused: 550"
    assert person.email not in caplog.text


@pytest.mark.django_db(transaction=True)
def test_one_worker_at_a_time_waits_for_the_mail_server(now, monkeypatch) -> None:
    inside, both = Event(), Event()
    calls: list[int] = []

    def hang(_mail: mail.EmailMessage) -> None:
        calls.append(1)
        inside.set()
        both.wait(10)

    monkeypatch.setattr(mail.EmailMessage, "send", hang)
    owner = make_user()
    granted(owner, make_car(owner), now)

    def work() -> None:
        sweep()
        connection.close()

    first = Thread(target=work)
    first.start()
    assert inside.wait(10)
    granted(owner, make_car(owner), now)
    sweep()
    both.set()
    first.join()
    assert len(calls) == 1
