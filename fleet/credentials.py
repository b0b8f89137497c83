"""Who a car is: assertions signed with its own key (RFC 7523) and the tokens it gets for them.

A token is opaque to the car: vehicle id, credential generation and expiry, under a keyed hash, so
that any edge can read it without asking anybody. It must never name a VIN.
"""

import base64
import hashlib
import hmac
import secrets
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import IntegrityError, transaction
from jwt.types import Options

from fleet.models import UsedAssertion, Vehicle

LIFETIME = 86_400  # seconds; less up to a tenth, at random
GRACE = 86_400  # seconds past its expiry for which a token is good while no new one can be had
LONGEST_ASSERTION = 300  # seconds from iat to exp
DRIFT = 300  # seconds that a car's clock may be off, either way
_TOKEN = struct.Struct(">16sIQ")
_MAC = 16  # bytes
_NOBODYS_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, appendix A.2
_LONGEST_JTI = 128  # characters
# Times and names are checked after the signature, in our own words and by our own clock.
_ONLY_THE_SIGNATURE: Options = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class AssertionRefused(Exception):
    """The assertion proves nothing; the message says why, but not whether the VIN exists."""


class TokenInvalid(Exception):
    """The token is not ours, was changed, or has expired."""


class TokenExpired(TokenInvalid):
    """The token was good once."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says."""

    vehicle_id: UUID
    generation: int
    expires_at: int


def exchange(assertion: str, *, now: datetime) -> tuple[str, int]:
    """Return a token and its lifetime in seconds for an assertion, which is spent by it.

    Raises AssertionRefused.
    """
    claims, vehicle = _verified(assertion)
    expires_at = _check_times(claims, int(now.timestamp()))
    jti = _check_names(claims)
    try:
        with transaction.atomic():
            UsedAssertion.objects.create(
                vehicle=vehicle,
                jti=jti,
                expires_at=datetime.fromtimestamp(expires_at + DRIFT, UTC),
            )
    except IntegrityError:
        raise AssertionRefused("This assertion was used before; sign a new one.") from None
    Vehicle.objects.filter(id=vehicle.id).update(last_contact_at=now)
    lifetime = LIFETIME - secrets.randbelow(LIFETIME // 10)
    return issue(vehicle, int(now.timestamp()) + lifetime), lifetime


def issue(vehicle: Vehicle, expires_at: int) -> str:
    """Return a token for a vehicle's present credential."""
    body = _TOKEN.pack(vehicle.id.bytes, vehicle.credential_generation, expires_at)
    mac = _mac(settings.VEHICLE_TOKEN_KEYS[0], body)
    return base64.urlsafe_b64encode(body + mac).rstrip(b"=").decode()


def read(token: str, *, now: int) -> Token:
    """Return what a token says; its generation is for the caller to compare.

    Raises TokenInvalid, and of that TokenExpired for one that was ours.
    """
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        body, mac = raw[: _TOKEN.size], raw[_TOKEN.size :]
        vehicle_id, generation, expires_at = _TOKEN.unpack(body)
    except (ValueError, struct.error):
        raise TokenInvalid("This is no token of ours.") from None
    keys = settings.VEHICLE_TOKEN_KEYS
    if not any(hmac.compare_digest(mac, _mac(key, body)) for key in keys):
        raise TokenInvalid("This is no token of ours.")
    if expires_at <= now:
        raise TokenExpired("The token has expired; ask for a new one.")
    return Token(UUID(bytes=vehicle_id), generation, expires_at)


def read_header(authorization: str, *, now: int) -> Token:
    """Return what the token in an Authorization header says (RFC 6750); raises TokenInvalid."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise TokenInvalid("Send the car's token as `Authorization: Bearer …`.")
    return read(token.strip(), now=now)


def compare(token: Token, generation: int, *, removed: bool) -> None:
    """Raise TokenInvalid if the vehicle is gone or has had another credential since."""
    if removed or token.generation != generation:
        raise TokenInvalid("The car's credential has changed; ask for a new token.")


def _mac(key: str, body: bytes) -> bytes:
    return hashlib.blake2b(body, key=key.encode()[:64], digest_size=_MAC).digest()


def _verified(assertion: str) -> tuple[dict[str, Any], Vehicle]:
    """The claims, once the signature is found to be that of the car they name."""
    try:
        known = _named(jwt.decode(assertion, options={"verify_signature": False}).get("sub"))
        # An unknown VIN costs the same time and gets the same answer as a wrong key.
        key = _public_key(known.public_key if known else _NOBODYS_KEY)
        claims = jwt.decode(assertion, key, algorithms=["EdDSA"], options=_ONLY_THE_SIGNATURE)
    except (jwt.PyJWTError, ValueError, RecursionError):
        known, claims = None, {}
    if known is None:
        raise AssertionRefused("The assertion is not signed with the key of a car that we know.")
    return claims, known


def _named(vin: Any) -> Vehicle | None:
    """The car that a stranger's text names; what is no VIN is not even looked for."""
    if not (isinstance(vin, str) and vin.isascii() and vin.isalnum()):
        return None
    return Vehicle.objects.filter(vin=vin, removed_at=None).first()


def _public_key(encoded: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(encoded + "="))


def _check_times(claims: dict[str, Any], now: int) -> int:
    try:
        issued_at, expires_at = int(claims["iat"]), int(claims["exp"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise AssertionRefused("`iat` and `exp` are missing or no numbers.") from None
    if not 0 < expires_at - issued_at <= LONGEST_ASSERTION:
        raise AssertionRefused("`exp` is to be at most 5 minutes after `iat`.")
    if issued_at > now + DRIFT or expires_at <= now - DRIFT:
        raise AssertionRefused("The assertion is not of this time; set the clock by `Date`.")
    return expires_at


def _check_names(claims: dict[str, Any]) -> str:
    """Return the assertion's own name, once the others are right."""
    audience = claims.get("aud")
    if settings.VEHICLE_AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        raise AssertionRefused(f"`aud` is to be {settings.VEHICLE_AUDIENCE!r}.")
    if claims.get("iss") != claims.get("sub"):
        raise AssertionRefused("`iss` and `sub` are both to be the VIN.")
    jti = claims.get("jti")
    if not (isinstance(jti, str) and 0 < len(jti) <= _LONGEST_JTI and jti.isprintable()):
        raise AssertionRefused("`jti` is to be a text of at most 128 characters, new each time.")
    return jti
