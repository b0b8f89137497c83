"""The rule, as a table at the exact instants."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.catalog import parse
from billing.entitlements import Entitlement, Grant, resolve

CATALOG = parse(
    {
        "features": [
            {"code": "radio", "name": "Radio"},
            {"code": "film", "name": "Film", "requires": [["hw:2", "hw:3"], ["in:US"]]},
            {"code": "extra", "name": "Extra"},
        ],
        "plans": [
            {"code": "basic", "name": "Basic", "features": ["radio"]},
            {"code": "premium", "name": "Premium", "features": ["film", "extra"]},
        ],
        "prices": [],
    },
    revision=7,
)
CAR = frozenset({"hw:3", "in:US"})
CAR_ID = UUID("01939b2e-8c3a-7d41-9c55-1f2e3d4c5b6a")


def grant(plan: str, start: int, end: int | None, source: str = "subscription") -> Grant:
    return Grant(plan, start, end, source)


NOTHING = Entitlement("standard", (), "none", None)
PAID = grant("premium", 100, 200)
CASES = [
    ("nobody granted anything", [], 150, NOTHING),
    ("a second before the start", [PAID], 99, Entitlement("standard", (), "none", 100)),
    ("at the start", [PAID], 100, Entitlement("premium", ("extra", "film"), "subscription", 200)),
    ("last second", [PAID], 199, Entitlement("premium", ("extra", "film"), "subscription", 200)),
    ("at the end", [PAID], 200, NOTHING),
    (
        "without an end",
        [grant("premium", 100, None, "factory")],
        10**12,
        Entitlement("premium", ("extra", "film"), "factory", None),
    ),
    (
        "the one that carries it longest is the reason",
        [PAID, grant("premium", 100, 300, "goodwill")],
        150,
        Entitlement("premium", ("extra", "film"), "goodwill", 300),
    ),
    (
        "what seamlessly goes on changes only its reason",
        [grant("premium", 0, 100, "trial"), PAID],
        50,
        Entitlement("premium", ("extra", "film"), "trial", 100),
    ),
    (
        "features of all grants, the highest plan",
        [grant("basic", 0, None, "factory"), PAID],
        150,
        Entitlement("premium", ("extra", "film", "radio"), "subscription", 200),
    ),
    (
        "ending one leaves the other",
        [grant("basic", 0, None, "factory"), PAID],
        200,
        Entitlement("basic", ("radio",), "factory", None),
    ),
    ("a plan that is not published gives nothing", [grant("gold", 0, None)], 1, NOTHING),
    ("an empty interval is never", [grant("premium", 100, 100)], 100, NOTHING),
]


@pytest.mark.parametrize(("name", "grants", "now", "verdict"), CASES, ids=[c[0] for c in CASES])
def test_the_verdict(name, grants, now, verdict) -> None:
    assert resolve(grants, CATALOG, CAR, CAR_ID, now) == verdict


@pytest.mark.parametrize(
    ("traits", "features"),
    [
        ({"hw:3", "in:US"}, ("extra", "film")),
        ({"hw:2", "in:US"}, ("extra", "film")),
        ({"hw:1", "in:US"}, ("extra",)),
        ({"hw:3", "in:DE"}, ("extra",)),
        (set(), ("extra",)),
    ],
)
def test_a_feature_needs_a_trait_of_each_group(traits, features) -> None:
    assert resolve([PAID], CATALOG, frozenset(traits), CAR_ID, 150).features == features


grants_of_any_kind = st.lists(
    st.builds(
        Grant,
        st.sampled_from(["basic", "premium", "gold"]),
        st.integers(0, 50),
        st.none() | st.integers(0, 50),
        st.sampled_from(["subscription", "trial", "factory"]),
    ),
    max_size=5,
)


@given(grants_of_any_kind, st.integers(-1, 51))
def test_nothing_changes_before_the_instant_that_is_named(grants, now) -> None:
    found = resolve(grants, CATALOG, CAR, CAR_ID, now)
    horizon = 60 if found.next_change_at is None else found.next_change_at
    for instant in range(now, horizon):
        later = resolve(grants, CATALOG, CAR, CAR_ID, instant)
        assert (later.plan, later.features, later.reason) == (
            found.plan,
            found.features,
            found.reason,
        )
    if found.next_change_at is not None:
        assert found.next_change_at > now
        then = resolve(grants, CATALOG, CAR, CAR_ID, found.next_change_at)
        assert (then.plan, then.features, then.reason) != (found.plan, found.features, found.reason)


@given(grants_of_any_kind, st.integers(-1, 51), st.randoms())
def test_the_order_of_the_facts_does_not_matter(grants, now, chance) -> None:
    shuffled = list(grants)
    chance.shuffle(shuffled)
    assert resolve(shuffled, CATALOG, CAR, CAR_ID, now) == resolve(
        grants, CATALOG, CAR, CAR_ID, now
    )
