"""Decides how a car proves who it is: its Ed25519 key and the assertions it signs; it must never
know what the edge answers to them.
"""

import base64
import uuid

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ASSERTION_SECONDS = 240  # The edge takes at most 300; the rest is room for a slow network.


def new_key() -> bytes:
    """A fresh private key, as its 32 raw bytes."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.Raw,
        serialization.PrivateFormat.Raw,
        serialization.NoEncryption(),
    )


def public_key(private: bytes) -> str:
    """The public half as the import file wants it: raw, base64url, no padding."""
    raw = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assertion(private: bytes, *, vin: str, audience: str, now: float) -> str:
    """A JWT that only this car can make, good once (RFC 7523); `now` is Unix seconds."""
    issued_at = int(now)
    claims = {
        "iss": vin,
        "sub": vin,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + ASSERTION_SECONDS,
        "jti": uuid.uuid4().hex,
    }
    key = Ed25519PrivateKey.from_private_bytes(private)
    return jwt.encode(claims, key, algorithm="EdDSA")
