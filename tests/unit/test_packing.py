"""The snapshots' format: two grants in 32 bytes, nothing ever cut, and noise never believed."""

import random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.entitlements import Grant
from fleet import packing
from fleet.packing import OPEN, PLANS, SOURCES, Poisoned, Snapshot, UnknownTraits, decode, encode

CAR = UUID("01920000-0000-7000-8000-0000000000ff")
TRAITS = frozenset({"hardware:mcu3", "market:DE", "model:model_3"})
OTHERS = frozenset({"hardware:mcu2", "market:DE", "model:model_3"})
SETS = {1: TRAITS, 2: OTHERS, 65_535: TRAITS}
PAID = Grant("premium", 1_790_000_000, 1_795_000_000, "subscription")
OPEN_END = Grant("premium", 0, None, "factory")


def snapshot(*grants: Grant, **changed) -> Snapshot:
    facts = {"version": 17, "generation": 1, "removed": False, "traits": TRAITS, "consents": ()}
    return Snapshot(CAR, grants=grants, **{**facts, **changed})


def back(facts: Snapshot, number: int = 1) -> Snapshot:
    return decode(CAR, encode(facts, number), SETS)


@pytest.mark.parametrize(("grants", "length"), [((), 14), ((PAID,), 23), ((PAID, OPEN_END), 32)])
def test_two_grants_fit_into_32_bytes(grants, length: int) -> None:
    facts = snapshot(*grants)
    assert len(encode(facts, 1)) == length
    assert back(facts) == facts


@pytest.mark.parametrize("removed", [False, True])
def test_a_consent_costs_no_byte(removed: bool) -> None:
    """Nor does the answer to a car without one: what lies there is the same to the letter."""
    allowed = snapshot(PAID, OPEN_END, consents=(packing.FLEET_LEARNING,), removed=removed)
    without = encode(snapshot(PAID, OPEN_END, removed=removed), 1)
    assert len(encode(allowed, 1)) == len(without) == 32
    assert without[7] & 0b1000 == 0
    assert back(allowed) == allowed


AWKWARD = [
    snapshot(PAID, PAID, OPEN_END),
    snapshot(*[PAID] * 40),
    snapshot(Grant("gold", 1, 2, "trial")),
    snapshot(Grant("premium", 1, 2, "raffle")),
    snapshot(Grant("premium", 1, OPEN - 1, "trial")),
    snapshot(Grant("premium", 1, OPEN, "trial")),
    snapshot(Grant("premium", OPEN, None, "trial")),
    snapshot(Grant("premium", -5, 7, "trial")),
    snapshot(PAID, consents=("camera",)),
    snapshot(PAID, generation=65_535),
    snapshot(PAID, generation=65_536),
    snapshot(PAID, version=2**53 - 1, removed=True),
    snapshot(PAID, traits=frozenset()),
]


@pytest.mark.parametrize("facts", AWKWARD)
@pytest.mark.parametrize("number", [1, 65_535, 65_536, 1_000_000])
def test_what_does_not_fit_is_stored_all_the_same(facts: Snapshot, number: int) -> None:
    sets = {number: facts.traits}
    assert decode(CAR, encode(facts, number), sets) == facts


seconds = st.integers(0, 2**34)
grants = st.builds(
    Grant,
    st.sampled_from([*PLANS, "gold"]),
    seconds,
    st.none() | seconds,
    st.sampled_from([*SOURCES, "raffle"]),
)


@given(
    st.lists(grants, max_size=4), st.integers(1, 2**53 - 1), st.integers(0, 2**31), st.booleans()
)
def test_everything_comes_back_as_it_went_in(given_grants, version, generation, removed) -> None:
    facts = snapshot(*given_grants, version=version, generation=generation, removed=removed)
    value = encode(facts, 1)
    assert decode(CAR, value, SETS) == facts
    assert packing.version(value) == version


def test_values_compare_as_their_versions() -> None:
    versions = [1, 2, 255, 256, 2**31, 2**32, 2**32 + 1, 2**53 - 1]
    values = [encode(snapshot(version=each), 1) for each in versions]
    assert sorted(values) == values


@pytest.mark.parametrize(
    "facts",
    [
        snapshot(),
        snapshot(PAID, OPEN_END),
        snapshot(consents=(packing.FLEET_LEARNING,)),
        *AWKWARD[:3],
    ],
)
def test_no_bit_can_turn_without_being_noticed(facts: Snapshot) -> None:
    value = encode(facts, 1)
    for bit in range(len(value) * 8):
        changed = bytearray(value)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Poisoned, UnknownTraits)):
            decode(CAR, bytes(changed), SETS)


@given(st.binary(max_size=64))
def test_any_bytes_are_noise(value: bytes) -> None:
    with pytest.raises((Poisoned, UnknownTraits)):
        decode(CAR, value, SETS)


def test_noise_of_the_right_shape_is_believed_once_in_65_536_times_at_most() -> None:
    chance = random.Random(7)
    believed = 0
    for _ in range(60_000):
        value = bytearray(encode(snapshot(PAID), 1))
        value[12:] = chance.randbytes(len(value) - 12)
        try:
            decode(CAR, bytes(value), SETS)
            believed += 1
        except Poisoned:
            continue
    assert believed <= 3


def test_a_value_under_another_cars_key_is_noise() -> None:
    other = UUID(int=CAR.int + 1)
    for facts in (snapshot(), snapshot(PAID, OPEN_END), AWKWARD[0]):
        with pytest.raises(Poisoned):
            decode(other, encode(facts, 1), SETS)


def test_a_number_that_means_other_traits_now_is_noise() -> None:
    with pytest.raises(Poisoned):
        decode(CAR, encode(snapshot(PAID), 1), {1: OTHERS})


def test_a_number_that_nobody_has_met_is_said() -> None:
    with pytest.raises(UnknownTraits) as unknown:
        decode(CAR, encode(snapshot(PAID), 9), SETS)
    assert unknown.value.args == (9,)


def test_the_numbers_of_plans_and_sources_are_never_given_away() -> None:
    """Stored values would change their meaning: add at the end, remove nothing."""
    assert PLANS[:1] == ("premium",)
    assert SOURCES[:4] == ("subscription", "factory", "trial", "goodwill")
