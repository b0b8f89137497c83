"""Issues and checks the codes that cars show; decides whether a try may be made and is right.

It never knows whose the car is, nor what a right code leads to.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils.crypto import salted_hmac

from fleet.models import Pairing, PairingAttempt, Vehicle

# RFC 8628, section 6.1: no vowels, so no words; 20^8 codes.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
LIFETIME = timedelta(minutes=15)
WINDOW = timedelta(hours=1)
TRIES_PER_ACCOUNT = 10
TRIES_PER_VIN = 100
# A delivery day has begun as soon as it has begun anywhere: an owner in Auckland collects the car
# in the morning, while it is still yesterday in Greenwich.
EASTERNMOST = timedelta(hours=14)


class NotDelivered(Exception):
    """The car is still the maker's: nobody can own it yet."""


class WrongCode(Exception):
    """The code is wrong, old or spent, or there is no such car: these look the same on purpose."""


class TooManyTries(Exception):
    """No code is looked at before `retry_at`, not even a right one."""

    def __init__(self, retry_at: datetime) -> None:
        """Take the instant at which the oldest counted try is forgotten."""
        self.retry_at = retry_at
        super().__init__(f"Too many wrong codes; try again after {retry_at:%H:%M} UTC.")


@dataclass(frozen=True, slots=True)
class Issued:
    """A code for the car's screen; `expires_in` in seconds."""

    user_code: str
    expires_in: int


def issue(vehicle: Vehicle, *, now: datetime) -> Issued:
    """Return a fresh code for this car and void the one before it.

    Raises NotDelivered before the day of delivery.
    """
    delivered = vehicle.delivered_on
    if delivered is None or delivered > (now + EASTERNMOST).date():
        raise NotDelivered("This car has not been delivered yet: it has no pairing code.")
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    with transaction.atomic(durable=True):
        Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle.pk)
        void(vehicle, now=now)
        Pairing.objects.create(
            vehicle=vehicle,
            code_hash=_hash(vehicle.vin, code),
            issued_at=now,
            expires_at=now + LIFETIME,
        )
    shown = f"{code[:4]}-{code[4:]}"
    return Issued(user_code=shown, expires_in=int(LIFETIME.total_seconds()))


def void(vehicle: Vehicle, *, now: datetime) -> None:
    """Make the car's open code worthless: a newer one, or a change of ownership, replaces it."""
    _open(vehicle).update(voided_at=now)


def check_limits(*, account: Any, vin: str, now: datetime) -> None:
    """Raise TooManyTries if this account, or everybody together for this VIN, guessed too often.

    Locks the account until the transaction ends, so that tries sent at once count one by one.
    """
    get_user_model().objects.select_for_update(no_key=True).get(pk=account.pk)
    recent = PairingAttempt.objects.filter(at__gt=now - WINDOW).order_by("-at")
    for mine, limit in (
        (Q(account=account), TRIES_PER_ACCOUNT),
        (Q(vin=vin), TRIES_PER_VIN),
    ):
        # The limit-th newest: when it is forgotten, one try is free again.
        oldest = recent.filter(mine)[limit - 1 : limit].first()
        if oldest is not None:
            raise TooManyTries(oldest.at + WINDOW)


def redeem(vehicle: Vehicle | None, *, account: Any, vin: str, code: str, now: datetime) -> bool:
    """Spend the car's open code if `code` is it; count a wrong try and return False if not.

    `vehicle` is locked by the caller, or None where no car has this VIN: the same work is done
    then, so that the time it takes tells nothing. The caller commits the count.
    """
    pairing = None
    if vehicle is not None:
        pairing = _open(vehicle).filter(expires_at__gt=now).first()
    given = _hash(vin, normalized(code))
    expected = pairing.code_hash if pairing else "0" * len(given)
    if not hmac.compare_digest(given, expected) or pairing is None:
        PairingAttempt.objects.create(account=account, vin=vin, at=now)
        return False
    pairing.used_at = now
    pairing.save(update_fields=["used_at"])
    return True


def normalized(text: str) -> str:
    """Return the code that a person means, in any case, with or without hyphen and spaces."""
    return "".join(character for character in text.upper() if character.isalnum())


def _open(vehicle: Vehicle) -> Any:
    return Pairing.objects.filter(vehicle=vehicle, used_at=None, voided_at=None)


def _hash(vin: str, code: str) -> str:
    """Bind the code to the car and to our secret key: the table alone gives no code away."""
    return salted_hmac("fleet.pairing", f"{vin}:{code}", algorithm="sha256").hexdigest()
