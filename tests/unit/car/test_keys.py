"""How a car proves who it is."""

import base64
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sandbox.car import keys

NOW = 1_795_335_600.9


def claims_of(assertion: str, private: bytes) -> dict[str, Any]:
    raw = base64.urlsafe_b64decode(keys.public_key(private) + "=")
    return jwt.decode(
        assertion,
        Ed25519PublicKey.from_public_bytes(raw),
        algorithms=["EdDSA"],
        audience="premium-connectivity",
        options={"verify_exp": False, "verify_iat": False},
    )


def test_the_public_key_is_raw_base64url_without_padding():
    text = keys.public_key(keys.new_key())
    assert len(text) == 43
    assert "=" not in text


def test_an_assertion_says_who_to_whom_and_for_how_long():
    private = keys.new_key()
    assertion = keys.assertion(private, vin="V", audience="premium-connectivity", now=NOW)
    claims = claims_of(assertion, private)
    assert (claims["iss"], claims["sub"]) == ("V", "V")
    assert claims["iat"] == int(NOW)
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert jwt.get_unverified_header(assertion)["alg"] == "EdDSA"


def test_no_two_assertions_are_the_same_even_in_one_second():
    private = keys.new_key()
    made = [keys.assertion(private, vin="V", audience="premium-connectivity", now=NOW)
            for _ in range(20)]  # fmt: skip
    assert len({claims_of(assertion, private)["jti"] for assertion in made}) == 20


def test_another_key_does_not_verify_it():
    assertion = keys.assertion(keys.new_key(), vin="V", audience="premium-connectivity", now=NOW)
    with pytest.raises(jwt.InvalidSignatureError):
        claims_of(assertion, keys.new_key())
