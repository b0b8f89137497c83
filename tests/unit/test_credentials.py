"""A token is read by any edge, says who and until when, and cannot be made by anybody else."""

import base64
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import credentials
from fleet.credentials import TokenExpired, TokenInvalid
from fleet.models import Vehicle

NOW = 1_795_000_000
CAR = UUID("01920000-0000-7000-8000-0000000000ff")
OLD, NEW = "old-secret-of-32-characters-long", "new-secret-of-32-characters-long"


@pytest.fixture(autouse=True)
def _keys(settings) -> None:
    settings.VEHICLE_TOKEN_KEYS = [OLD]


def token(expires_at: int = NOW + 60, generation: int = 1) -> str:
    return credentials.issue(Vehicle(id=CAR, credential_generation=generation), expires_at)


def test_a_token_says_who_and_until_when() -> None:
    found = credentials.read(token(NOW + 60, 7), now=NOW)
    assert (found.vehicle_id, found.generation, found.expires_at) == (CAR, 7, NOW + 60)


def test_a_token_is_good_until_the_second_of_its_expiry() -> None:
    assert credentials.read(token(NOW + 1), now=NOW)
    with pytest.raises(TokenExpired):
        credentials.read(token(NOW), now=NOW)


def test_a_token_of_the_old_key_is_read_after_a_rotation(settings) -> None:
    before = token()
    settings.VEHICLE_TOKEN_KEYS = [NEW, OLD]
    assert credentials.read(before, now=NOW).vehicle_id == CAR
    after = token()
    assert after != before
    settings.VEHICLE_TOKEN_KEYS = [NEW]
    assert credentials.read(after, now=NOW).vehicle_id == CAR
    with pytest.raises(TokenInvalid, match="no token of ours"):
        credentials.read(before, now=NOW)


def test_no_bit_of_a_token_can_be_changed() -> None:
    raw = base64.urlsafe_b64decode(token() + "==")
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        text = base64.urlsafe_b64encode(changed).decode()
        with pytest.raises(TokenInvalid):
            credentials.read(text, now=NOW)


@pytest.mark.parametrize("cut", [1, 2, 21, 22, 40])
def test_a_shortened_token_is_refused(cut: int) -> None:
    with pytest.raises(TokenInvalid):
        credentials.read(token()[:-cut], now=NOW)


def test_a_lengthened_token_is_refused() -> None:
    raw = base64.urlsafe_b64decode(token() + "==") + b"\0"
    with pytest.raises(TokenInvalid):
        credentials.read(base64.urlsafe_b64encode(raw).decode(), now=NOW)


@given(st.text(max_size=200))
def test_any_text_is_refused_as_no_token_of_ours(text: str) -> None:
    with pytest.raises(TokenInvalid) as refused:
        credentials.read_header(f"Bearer {text}", now=NOW)
    assert refused.type is TokenInvalid


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_the_scheme_is_told_in_any_case(header: str) -> None:
    assert credentials.read_header(header.format(token()), now=NOW).vehicle_id == CAR


@pytest.mark.parametrize("header", ["", "{}", "Basic {}", "Token {}", "Bearer", "Bearer "])
def test_another_header_is_refused(header: str) -> None:
    with pytest.raises(TokenInvalid):
        credentials.read_header(header.format(token()), now=NOW)


def test_a_token_names_no_vin() -> None:
    vehicle = Vehicle(id=CAR, vin="5YJ3E1EA0KF000316")
    raw = base64.urlsafe_b64decode(credentials.issue(vehicle, NOW) + "==")
    assert b"5YJ" not in raw
    assert b"000316" not in raw


def test_another_generation_or_a_removed_car_is_refused() -> None:
    found = credentials.read(token(generation=2), now=NOW)
    credentials.compare(found.generation, 2, removed=False)
    for generation, removed in ((1, False), (3, False), (2, True)):
        with pytest.raises(TokenInvalid):
            credentials.compare(found.generation, generation, removed=removed)
