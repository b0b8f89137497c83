"""A car's public key: decides what is a usable one and changes it; never sees a private one."""

import base64
import binascii
import re
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from billing import subjects
from fleet import pairing
from fleet.models import DomainEvent, Report, Vehicle

_ENCODED = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_P = 2**255 - 19
_ORDER_EIGHT = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# The y coordinates of the points of small order, with those that are not reduced. Under such a
# "key", a row of zeros among them, anybody can sign (RFC 8032, section 5.1; libsodium refuses the
# same ones).
_FORGEABLE = frozenset(
    {0, 1, _ORDER_EIGHT, _P - _ORDER_EIGHT, _P - 1, _P, _P + 1},
)


class WrongKey(ValueError):
    """The text is not a car's public key; the message says what one looks like."""


class KeyTaken(WrongKey):
    """A key is one car's alone; whose it is, is not said."""


def parse(text: str) -> str:
    """Return the raw Ed25519 public key, base64url without padding, as it is kept.

    Raises WrongKey.
    """
    text = text.strip()
    if not _ENCODED.fullmatch(text):
        raise WrongKey(
            "A public key is 32 bytes of raw Ed25519 in base64url without padding: "
            f"43 letters, digits, - or _; this has {len(text)} characters."
        )
    raw = _decode(text)
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y in _FORGEABLE:
        raise WrongKey("This public key is a placeholder under which anybody can sign.")
    return text


def replace_key(
    *, vehicle_id: UUID, public_key: str, reason: str, actor: Any, now: datetime
) -> bool:
    """Let a car's new unit in and its old one out, at once, at every site.

    The car's credential generation ends all tokens of the old unit, and its open pairing code is
    void. False, and nothing is changed, if this is the car's key already: asking twice is asking
    once. Raises WrongKey, KeyTaken.
    """
    key = parse(public_key)
    with transaction.atomic(durable=True):
        vehicle = Vehicle.objects.select_for_update(no_key=True).get(pk=vehicle_id)
        if vehicle.public_key == key:
            return False
        vehicle.public_key = key
        vehicle.credential_generation += 1
        vehicle.key_replaced_at = now
        try:
            vehicle.save(update_fields=["public_key", "credential_generation", "key_replaced_at"])
        except IntegrityError as error:
            raise KeyTaken("Another car has this key.") from error
        # The new unit has an empty storage: what the old one confirmed says nothing of it.
        Report.objects.filter(vehicle=vehicle).delete()
        pairing.void(vehicle, now=now)
        subjects.bump([vehicle_id], now=now)
        DomainEvent.objects.create(
            kind="key_replaced",
            at=now,
            vehicle=vehicle,
            actor=actor,
            data={"reason": reason, "generation": vehicle.credential_generation},
        )
    return True


def _decode(text: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(text + "=")
    except binascii.Error as error:
        raise WrongKey("The public key is not base64url.") from error
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise WrongKey("The public key is not 32 bytes: its last character is a mistype.")
    return raw
