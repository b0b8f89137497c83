"""Who a car is: assertions signed with its own key (RFC 7523) and the tokens it gets for them.

A token is opaque to the car: vehicle id, credential generation, expiry, and the VIN under a seal,
all under a keyed hash, so that any edge can read it without asking anybody. The VIN is in it for
the lease, which names it; no site's Valkey holds it. Without our keys nobody can read it there.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import connection, transaction
from jwt.types import Options

from fleet import contact
from fleet.models import Vehicle

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 86_400  # seconds; less up to a tenth, at random
GRACE = 86_400  # seconds past its expiry for which a token is good while no new one can be had
LONGEST_ASSERTION = 300  # seconds from iat to exp
DRIFT = 300  # seconds that a car's clock may be off, either way
_TOKEN = struct.Struct(">16sIQ")
_VIN = 17  # characters; a token of the former form carries none
_MAC = 16  # bytes
_STANDARD = bytes.maketrans(b"-_+/", b"+/  ")  # from base64url, and from nothing else
_NOBODYS_KEY = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"  # RFC 8037, appendix A.2
_LONGEST_JTI = 128  # characters
_SPEND = """
    INSERT INTO fleet_usedassertion (vehicle_id, jti, expires_at)
    SELECT * FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[])
    ON CONFLICT DO NOTHING RETURNING vehicle_id, jti
"""
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


class Token(NamedTuple):
    """What a token says; one of the former form says no VIN."""

    vehicle_id: UUID
    generation: int
    expires_at: int
    vin: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was given for an assertion, and its lifetime in seconds."""

    token: str
    lifetime: int

    def document(self) -> dict[str, Any]:
        """What the car is answered (RFC 6749, section 5.1)."""
        return {
            "access_token": self.token,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
        }


def exchange(assertion: str, *, now: datetime) -> Issued:
    """Return a token for an assertion, which is spent by it. Raises AssertionRefused."""
    [issued] = exchange_all([assertion], now=now)
    if isinstance(issued, AssertionRefused):
        raise issued
    return issued


def exchange_all(assertions: Sequence[str], *, now: datetime) -> list[Issued | AssertionRefused]:
    """Exchange many assertions, each for itself; return what came of each."""
    vins = [_named(each) for each in assertions]
    known = {car.vin: car for car in Vehicle.objects.filter(vin__in=set(vins), removed_at=None)}
    read = [
        _read(each, known.get(vin), now=now) for each, vin in zip(assertions, vins, strict=True)
    ]
    good: dict[tuple[UUID, str], _Good] = {}
    for each in read:
        if isinstance(each, _Good):
            good.setdefault((each.vehicle.id, each.jti), each)
    spent: set[_Good] = set()
    if good:
        with transaction.atomic():
            spent = {good[name] for name in _spend(good)}
            _heard([each.vehicle for each in spent], now=now)
    return [_issued(each, spent, now=now) for each in read]


def issue(vehicle: Vehicle, expires_at: int) -> str:
    """Return a token for a vehicle's present credential."""
    key = settings.VEHICLE_TOKEN_KEYS[0]
    body = _TOKEN.pack(vehicle.id.bytes, vehicle.credential_generation, expires_at)
    body += _seal(key, body, vehicle.vin.encode().ljust(_VIN, b"\0"))
    return base64.urlsafe_b64encode(body + _mac(key, body)).rstrip(b"=").decode()


def read(token: str, *, now: int) -> Token:
    """Return what a token says; its generation is for the caller to compare.

    Raises TokenInvalid, and of that TokenExpired for one that was ours.
    """
    body, key = _opened(token)
    vehicle_id, generation, expires_at = _TOKEN.unpack_from(body)
    if expires_at <= now:
        raise TokenExpired("The token has expired; ask for a new one.")
    sealed = body[_TOKEN.size :]
    vin = _seal(key, body[: _TOKEN.size], sealed).rstrip(b"\0").decode() if sealed else ""
    return Token(UUID(bytes=vehicle_id), generation, expires_at, vin)


def read_header(authorization: str, *, now: int) -> Token:
    """Return what the token in an Authorization header says (RFC 6750); raises TokenInvalid."""
    return read(_bearer(authorization), now=now)


def compare(shown: int, generation: int, *, removed: bool) -> None:
    """Raise TokenInvalid if the vehicle is gone or its generation is not the one that was shown."""
    if removed or shown != generation:
        raise TokenInvalid("The car's credential has changed; ask for a new token.")


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise TokenInvalid("Send the car's token as `Authorization: Bearer …`.")
    return token.strip()


def _opened(token: str) -> tuple[bytes, str]:
    """A token's body, and the key under which it is ours."""
    try:
        # Strict: or else one token could be spelled in many ways, each of them a new caller.
        text = (token + "=" * (-len(token) % 4)).encode("ascii").translate(_STANDARD)
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise TokenInvalid("This is no token of ours.") from None
    body, mac = raw[:-_MAC], raw[-_MAC:]
    if len(body) in (_TOKEN.size, _TOKEN.size + _VIN):
        for key in settings.VEHICLE_TOKEN_KEYS:
            if hmac.compare_digest(mac, _mac(key, body)):
                return body, key
    raise TokenInvalid("This is no token of ours.")


def _mac(key: str, body: bytes) -> bytes:
    return hashlib.blake2b(body, key=key.encode()[:64], digest_size=_MAC).digest()


def _seal(key: str, body: bytes, vin: bytes) -> bytes:
    """Close or open the VIN: what covers it is new for each vehicle, generation and expiry."""
    cover = hashlib.blake2b(body, key=key.encode()[:64], digest_size=_VIN, person=b"vin").digest()
    closed = int.from_bytes(vin, "big") ^ int.from_bytes(cover, "big")
    return closed.to_bytes(_VIN, "big")


@dataclass(frozen=True, slots=True, eq=False)
class _Good:
    """An assertion that is right, if it was not used before."""

    vehicle: Vehicle
    jti: str
    expires_at: int


def _named(assertion: str) -> str:
    """The VIN that a stranger's text names; what is no VIN is not even looked for."""
    try:
        vin = jwt.decode(assertion, options={"verify_signature": False}).get("sub")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return ""
    return vin if isinstance(vin, str) and vin.isascii() and vin.isalnum() else ""


def _read(assertion: str, known: Vehicle | None, *, now: datetime) -> _Good | AssertionRefused:
    """What an assertion says, once it is found to be that of the car which it names."""
    try:
        # An unknown VIN costs the same time and gets the same answer as a wrong key.
        key = _public_key(known.public_key if known else _NOBODYS_KEY)
        claims = jwt.decode(assertion, key, algorithms=["EdDSA"], options=_ONLY_THE_SIGNATURE)
    except (jwt.PyJWTError, ValueError, RecursionError):
        known, claims = None, {}
    if known is None:
        return AssertionRefused("The assertion is not signed with the key of a car that we know.")
    try:
        expires_at = _check_times(claims, int(now.timestamp()))
        return _Good(known, _check_names(claims), expires_at)
    except AssertionRefused as refused:
        return refused


def _spend(good: Mapping[tuple[UUID, str], _Good]) -> list[tuple[UUID, str]]:
    """Put on record that these are used; return which of them were not."""
    names = sorted(good)  # in one order for all, so that two edges never wait crosswise
    ends = [datetime.fromtimestamp(good[name].expires_at + DRIFT, UTC) for name in names]
    with connection.cursor() as cursor:
        cursor.execute(_SPEND, [[car for car, _ in names], [jti for _, jti in names], ends])
        return [(car, jti) for car, jti in cursor.fetchall()]


def _heard(vehicles: Iterable[Vehicle], *, now: datetime) -> None:
    due = [car.id for car in vehicles if contact.is_due(car.last_contact_at, now=now)]
    if due:
        contact.note_all(dict.fromkeys(due, now.timestamp()))


def _issued(
    read: _Good | AssertionRefused, spent: set[_Good], *, now: datetime
) -> Issued | AssertionRefused:
    if isinstance(read, AssertionRefused):
        return read
    if read not in spent:
        return AssertionRefused("This assertion was used before; sign a new one.")
    lifetime = LIFETIME - secrets.randbelow(LIFETIME // 10)
    return Issued(issue(read.vehicle, int(now.timestamp()) + lifetime), lifetime)


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
