"""The signed document with which a car decides offline (contract: Lease); asks nobody.

A compact JWS (RFC 7515), Ed25519 (RFC 8037), whose `kid` is the key's thumbprint (RFC 7638). Every
200 of the check signs one, so libsodium does, in two thirds of the time that OpenSSL takes.
"""

import functools
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from nacl.bindings import crypto_sign, crypto_sign_BYTES

from fleet import signing
from fleet.signing import BY_ENVIRONMENT, LIFETIME, Schedule

EPOCH = 7 * 86_400  # seconds
TYPE = "lease+jwt"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def epoch(vehicle_id: UUID, now: int) -> int:
    """The number of the vehicle's lease period; each turns at its own moment of the week."""
    return (now + vehicle_id.int % EPOCH) // EPOCH


def turn(vehicle_id: UUID, now: int) -> int:
    """The first second of the vehicle's next lease period."""
    return (epoch(vehicle_id, now) + 1) * EPOCH - vehicle_id.int % EPOCH


def sign(
    *,
    vin: str,
    version: int,
    catalog: int,
    consents: Sequence[str],
    grants: Sequence[Mapping[str, Any]],
    now: int,
    schedule: Schedule = BY_ENVIRONMENT,
) -> str:
    """Return a lease from `now` on; `grants` are {plan, features, from, until} in Unix seconds.

    Raises signing.NoKey.
    """
    secret, kid, issuer = signing.signer(schedule, now=now)
    claims = {
        "iss": issuer,
        "sub": vin,
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "ver": version,
        "cat": catalog,
        "consents": consents,
        "grants": grants,
    }
    signed = b"%s.%s" % (_header(kid), _base64(orjson.dumps(claims)))
    return (b"%s.%s" % (signed, _base64(crypto_sign(signed, secret)[:crypto_sign_BYTES]))).decode()


def jwks(schedule: Schedule = BY_ENVIRONMENT, *, now: int = 0) -> dict[str, list[dict[str, str]]]:
    """The public keys with which a car checks its leases (RFC 7517)."""
    keys = signing.published(schedule, now=now)
    return {"keys": [signing.jwk(x) | {"kid": kid, "use": "sig"} for kid, x in keys.items()]}


def _base64(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False).translate(_URL_SAFE, b"=")


@functools.cache
def _header(kid: str) -> bytes:
    """The first part of every lease under this key."""
    header = {"alg": "EdDSA", "kid": kid, "typ": TYPE}
    return _base64(orjson.dumps(header))
