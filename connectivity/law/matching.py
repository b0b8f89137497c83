"""Decides which running contract a declaration means: exactly one, or none; it changes nothing.

It must never be asked while somebody waits for an answer: how long it takes tells who has an
account.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model

from billing import agreements
from connectivity.law.models import Declaration
from fleet.models import Vehicle

_ENDING = 6  # characters of a VIN, as mails name a car


@dataclass(frozen=True, slots=True)
class Contract:
    """What a payer pays for: a car."""

    payer: Any
    vehicle: Vehicle


def contract_of(declaration: Declaration) -> Contract | None:
    """The one running contract of this address that the reference names."""
    people = get_user_model().objects.filter(email=declaration.email, is_active=True)
    payer = people.first()
    if payer is None:
        return None
    named = _plain(declaration.reference)
    paid = agreements.running(payer)
    vehicles = Vehicle.objects.in_bulk(paid)
    found = [
        vehicles[subject_id]
        for subject_id, contract in paid.items()
        if subject_id in vehicles and named in _names(vehicles[subject_id], contract, subject_id)
    ]
    return Contract(payer, found[0]) if len(found) == 1 else None


def _names(vehicle: Vehicle, contract: str, subject_id: UUID) -> set[str]:
    """What people may call it: the contract's number, the car's VIN or how that ends."""
    ids = {_plain(contract), _plain(str(subject_id))}
    return ids | {vehicle.vin, vehicle.vin[-_ENDING:]}


def _plain(text: str) -> str:
    return "".join(letter for letter in text.upper() if letter.isalnum())
