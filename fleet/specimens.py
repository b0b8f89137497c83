"""Makes up cars, and what they were told and said, so that a page can be looked at in any state.

It must never write what stays: see billing.specimens.
"""

import secrets
from datetime import date, datetime, timedelta
from typing import Any

from billing import queries, specimens
from fleet import consents, vin
from fleet.models import (
    Claim,
    Consent,
    Delivery,
    Driver,
    Ownership,
    Transfer,
    Vehicle,
)


def car(owner: Any, *, now: datetime, **facts: Any) -> Vehicle:
    """A car, which somebody owns unless `owner` is None; heard of two minutes ago."""
    specimens.check()
    defaults = {
        "vin": _vin(),
        "model": "model_3",
        "hardware": "mcu3",
        "market": "US",
        "delivered_on": date(2025, 6, 1),
        "last_contact_at": now - timedelta(minutes=2),
    }
    made = Vehicle.objects.create(**{**defaults, **facts})
    specimens.subject(made.id)
    if owner is not None:
        since = now - timedelta(days=90)
        Ownership.objects.create(vehicle=made, owner=owner, starts_at=since)
    return made


def _vin() -> str:
    text = f"5YJ3E1EA0KF{secrets.randbelow(10**6):06d}"
    return text[:8] + vin.check_digit(text) + text[9:]


def told(vehicle: Vehicle, state: str, *, at: datetime, **facts: Any) -> Delivery:
    """What the car was told, of all that is known of it now, and what became of that."""
    specimens.check()
    known = queries.facts([vehicle.id])[vehicle.id]
    defaults = {
        "version": known.version,
        "plan": "premium",
        "grants": [[g.plan, g.starts_at, g.ends_at, g.source] for g in known.grants],
        "state": state,
        "reference": f"D-{secrets.token_hex(3).upper()}",
        "changed_at": at,
        "sent_at": None if state == Delivery.State.PENDING else at,
        "applied_at": at if state == Delivery.State.APPLIED else None,
    }
    return Delivery.objects.create(vehicle=vehicle, **{**defaults, **facts})


def claim(vehicle: Vehicle, claimant: Any, *, at: datetime) -> Claim:
    """Somebody else says that it is theirs."""
    specimens.check()
    return Claim.objects.create(vehicle=vehicle, claimant=claimant, opened_at=at)


def sold(vehicle: Vehicle, *, at: datetime) -> None:
    """Its owner has it no more."""
    specimens.check()
    Ownership.objects.filter(vehicle=vehicle, ends_at=None).update(ends_at=at)


def offer(
    vehicle: Vehicle, seller: Any, *, to: str, now: datetime, state: str = "open"
) -> Transfer:
    """An offer to pass the car on, by a link that was mailed."""
    specimens.check()
    return Transfer.objects.create(
        vehicle=vehicle,
        seller=seller,
        email=to,
        state=state,
        offered_at=now - timedelta(days=1),
        expires_at=now + timedelta(days=6),
        decided_at=None if state == Transfer.State.OPEN else now,
    )


def driver(
    vehicle: Vehicle, *, email: str, now: datetime, person: Any = None, state: str = "invited"
) -> Driver:
    """Somebody whom the owner has invited to see the car; `person` has joined."""
    specimens.check()
    return Driver.objects.create(
        ownership=vehicle.ownerships.get(ends_at=None),
        email=email,
        person=person,
        state="joined" if person else state,
        invited_at=now - timedelta(days=1),
        expires_at=now + timedelta(days=6),
        joined_at=now if person else None,
    )


def learning(vehicle: Vehicle, owner: Any, *, at: datetime, given: bool = True) -> None:
    """The owner has said so of fleet learning; with this version the car is told."""
    specimens.check()
    version = queries.version(vehicle.id)
    Vehicle.objects.filter(id=vehicle.id).update(fleet_learning=given)
    Consent.objects.create(
        vehicle=vehicle, owner=owner, given=given, text=consents.TEXT, at=at, version=version
    )
