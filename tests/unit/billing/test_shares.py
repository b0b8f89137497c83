"""A feature for a share of the subjects: who is in it, at the exact boundary, and for ever."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.catalog import BUCKETS, Catalog, CatalogInvalid, bucket, parse
from billing.entitlements import Grant, resolve

SALT = "summon@12"
# Should one of these change, cars would lose what they have.
KNOWN = {
    "00000000-0000-0000-0000-000000000000": 6885,
    "01939b2e-8c3a-7d41-9c55-1f2e3d4c5b6a": 5477,
    "ffffffff-ffff-ffff-ffff-ffffffffffff": 810,
}
PAID = Grant("premium", 100, 200, "subscription")
shares = st.integers(0, BUCKETS)


def catalog(share: int | None = None, salt: str = SALT, **more: object) -> Catalog:
    """A plan of two features, one of which may have a share."""
    summon = {"code": "summon", "name": "Summon", "salt": salt, **more}
    if share is not None:
        summon["share"] = share
    document = {
        "features": [{"code": "radio", "name": "Radio"}, summon],
        "plans": [{"code": "premium", "name": "Premium", "features": ["radio", "summon"]}],
        "prices": [],
    }
    return parse(document, revision=1)


def has(sold: Catalog, subject_id: UUID, traits: frozenset[str] = frozenset()) -> bool:
    """Whether a subject that has paid has the feature; it has the other one in any case."""
    features = resolve([PAID], sold, traits, subject_id, 150).features
    assert "radio" in features
    return "summon" in features


@pytest.mark.parametrize(("text", "expected"), KNOWN.items())
def test_the_bucket_of_a_subject_is_what_it_has_always_been(text: str, expected: int) -> None:
    assert bucket(SALT, UUID(text)) == expected


@given(st.uuids(), st.text())
def test_the_share_ends_at_the_bucket_of_its_own_number(subject_id: UUID, salt: str) -> None:
    mine = bucket(salt, subject_id)
    assert 0 <= mine < BUCKETS
    assert not has(catalog(mine, salt), subject_id)
    assert has(catalog(mine + 1, salt), subject_id)


@given(st.uuids(), shares, shares)
def test_to_raise_the_share_takes_the_feature_from_nobody(
    subject_id: UUID, one: int, other: int
) -> None:
    lower, higher = sorted((one, other))
    if has(catalog(lower), subject_id):
        assert has(catalog(higher), subject_id)


@given(st.uuids())
def test_nobody_is_in_no_share_and_everybody_in_the_whole(subject_id: UUID) -> None:
    assert not has(catalog(0), subject_id)
    assert has(catalog(BUCKETS), subject_id)
    assert has(catalog(), subject_id), "a document without a share is as before"


@given(st.uuids(), shares, st.sets(st.sampled_from(["in:US", "in:DE", "hw:3"])))
def test_a_share_is_of_those_with_the_right_traits(subject_id: UUID, share: int, traits) -> None:
    sold = catalog(share, requires=[["in:US", "in:DE"], ["hw:3"]])
    right = "hw:3" in traits and traits & {"in:US", "in:DE"}
    expected = bool(right) and bucket(SALT, subject_id) < share
    assert has(sold, subject_id, frozenset(traits)) == expected
    plan = sold.plan("premium")
    assert plan is not None
    named = [each.code for each in plan.features_for(frozenset(traits), subject_id)]
    assert named == list(plan.codes_for(frozenset(traits), subject_id))


def test_a_share_is_as_large_as_it_says_and_two_roll_outs_hit_different_cars() -> None:
    ids = [UUID(int=0x01939B2E_8C3A_7000_8000_000000000000 + n) for n in range(20_000)]
    first = {each for each in ids if bucket("summon@12", each) < 1_000}
    second = {each for each in ids if bucket("summon@13", each) < 1_000}
    assert len(first) == pytest.approx(2_000, rel=0.1)
    assert len(second) == pytest.approx(2_000, rel=0.1)
    assert len(first & second) == pytest.approx(200, rel=0.3)


@pytest.mark.parametrize("share", [-1, BUCKETS + 1, "10", 0.5, True, None])
def test_a_share_that_is_none_is_named(share: object) -> None:
    entry = {"code": "summon", "name": "Summon", "share": share}
    with pytest.raises(CatalogInvalid, match="The share of 'summon'"):
        parse({"features": [entry], "plans": [], "prices": []}, revision=1)


def test_a_salt_is_the_code_unless_it_is_given() -> None:
    document = {"features": [{"code": "a", "name": "A", "share": 5}], "plans": [], "prices": []}
    document["plans"] = [{"code": "p", "name": "P", "features": ["a"]}]
    assert parse(document, revision=1).plans["p"].features[0].salt == "a"
    document["features"][0]["salt"] = 7
    with pytest.raises(CatalogInvalid, match="its salt a text"):
        parse(document, revision=1)
