"""The signed document with which a car decides offline (contract: Lease); asks nobody.

A compact JWS (RFC 7515), Ed25519 (RFC 8037), whose `kid` is the key's thumbprint (RFC 7638). Every
200 of the check signs one, so libsodium does, in two thirds of the time that OpenSSL takes.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from nacl.signing import SigningKey

EPOCH = 7 * 86_400  # seconds
LIFETIME = 40 * 86_400  # seconds
TYPE = "lease+jwt"


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
) -> str:
    """Return a lease from `now` on; `grants` are {plan, features, from, until} in Unix seconds."""
    key, kid = _keys()[0]
    claims = {
        "iss": settings.VEHICLE_AUDIENCE,
        "sub": vin,
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "ver": version,
        "cat": catalog,
        "consents": list(consents),
        "grants": list(grants),
    }
    signed = b"%s.%s" % (_header(kid), _base64(orjson.dumps(claims)))
    return (b"%s.%s" % (signed, _base64(key.sign(signed).signature))).decode()


def jwks() -> dict[str, list[dict[str, str]]]:
    """The public keys with which a car checks its leases (RFC 7517)."""
    return {"keys": [_jwk(key) | {"kid": kid, "use": "sig"} for key, kid in _keys()]}


def _keys() -> tuple[tuple[SigningKey, str], ...]:
    return _parsed(tuple(settings.LEASE_SIGNING_KEYS))


@functools.cache
def _parsed(seeds: tuple[str, ...]) -> tuple[tuple[SigningKey, str], ...]:
    keys = [SigningKey(_decoded(seed)) for seed in seeds]
    return tuple((key, _thumbprint(_jwk(key))) for key in keys)


def _jwk(key: SigningKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _encoded(key.verify_key.encode())}


def _thumbprint(jwk: dict[str, str]) -> str:
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True)
    return _encoded(hashlib.sha256(canonical.encode()).digest())


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _encoded(raw: bytes) -> str:
    return _base64(raw).decode()


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


@functools.cache
def _header(kid: str) -> bytes:
    """The first part of every lease under this key."""
    header = {"alg": "EdDSA", "kid": kid, "typ": TYPE}
    return _base64(orjson.dumps(header))
