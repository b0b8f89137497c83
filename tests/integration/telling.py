"""What tests of mails share: events as billing and fleet record them, and what became of them."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import mail

from billing.models import Customer, DomainEvent, Grant, Seat, Subscription
from connectivity.notices.models import Notice
from connectivity.notices.tasks import sweep
from fleet.models import DomainEvent as FleetEvent
from tests.factories import Car

SIGNED = f"\n\n-- \nPremium Connectivity\n{settings.SUPPORT_EMAIL}\n"


def subscribed(car: Car, owner: Any, now: datetime, *, status="active", **facts: Any) -> str:
    """A subscription as a sync records it, with its seat and grant; return Stripe's id."""
    stripe_id = f"sub_{car.vehicle.id.hex[-6:]}"
    customer = Customer.objects.create(
        payer=owner, currency="usd", stripe_customer_id=f"cus_{stripe_id}"
    )
    paid = datetime.fromisoformat("2026-12-22T08:20:00+00:00")
    mirror = Subscription.objects.create(
        **{
            "stripe_subscription_id": stripe_id,
            "subject_id": car.vehicle.id,
            "customer": customer,
            "status": status,
            "plan": "premium",
            "interval": "month",
            "currency": "usd",
            "unit_amount": 1000,
            "period_ends_at": paid,
            "paid_through": paid,
            "created_at": now,
            **facts,
        }
    )
    if status != "canceled":
        Seat.objects.create(
            subject_id=car.vehicle.id, payer=owner, subscription=mirror, taken_at=now
        )
    Grant.objects.create(
        subject_id=car.vehicle.id,
        plan="premium",
        source="subscription",
        subscription=mirror,
        starts_at=now - timedelta(days=1),
        ends_at=now if status == "canceled" else paid + timedelta(days=7),
        created_at=now,
    )
    happened("grant_given", car, None, now, subscription=stripe_id, source="subscription")
    return stripe_id


def happened(kind: str, car: Car, payer: Any, now: datetime, **data: Any) -> DomainEvent:
    return DomainEvent.objects.create(
        kind=kind, at=now, subject_id=car.vehicle.id, payer=payer, data=data
    )


def told(count: int = 1) -> list[tuple[str, str]]:
    """Subject and text of each mail, told twice over: the second time brings none."""
    sweep()
    DomainEvent.objects.update(noticed_at=None)
    FleetEvent.objects.update(noticed_at=None)
    sweep()
    assert len(mail.outbox) == count
    assert not Notice.objects.exclude(error="").exists()
    assert all(str(sent.body).endswith(SIGNED) for sent in mail.outbox)
    assert not any("&" in str(sent.subject) or "{" in str(sent.body) for sent in mail.outbox)
    return [(str(sent.subject), str(sent.body).removesuffix(SIGNED)) for sent in mail.outbox]


def its_page(car: Car, more: str = "") -> str:
    return f"http://localhost:8000/garage/{car.vehicle.id}/{more}"


def given(car: Car, now: datetime, source: str, ends_at: datetime | None) -> None:
    Grant.objects.create(
        subject_id=car.vehicle.id,
        plan="premium",
        source=source,
        starts_at=now - timedelta(days=1),
        ends_at=ends_at,
        created_at=now,
    )


def moved(car: Car, seller: Any, now: datetime, kind: str = "vehicle_released") -> None:
    FleetEvent.objects.create(
        kind=kind, at=now, vehicle=car.vehicle, actor=seller, data={"owner": str(seller.pk)}
    )
