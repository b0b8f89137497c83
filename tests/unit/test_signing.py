"""Which key signs when, and which are published: at the exact instants of a rotation."""

import base64

import pytest

from fleet import lease, signing
from fleet.signing import LIFETIME, SLACK, Key, NoKey, Schedule

NOW = 1_795_000_000
SEEDS = {
    name: base64.urlsafe_b64encode(bytes([number]) * 32).rstrip(b"=").decode()
    for number, name in enumerate("abcd")
}


@pytest.fixture
def environment(settings):
    """Sets the seeds of this process, newest first, by letters."""

    def choose(letters: str) -> None:
        settings.LEASE_SIGNING_KEYS = [SEEDS[letter] for letter in letters]

    choose("a")
    return choose


def keys(letters: str, settings) -> dict[str, Key]:
    """What a schedule says of these, before it says from when."""
    settings.LEASE_SIGNING_KEYS = [SEEDS[letter] for letter in letters]
    named = zip(letters, signing.seeds().items(), strict=True)
    return {letter: Key(kid, signing.public(key), 0) for letter, (kid, key) in named}


@pytest.fixture
def known(settings) -> dict[str, Key]:
    return keys("abcd", settings)


def scheduled(known: dict[str, Key], **since: int) -> Schedule:
    return Schedule(tuple(known[name]._replace(since=at) for name, at in since.items()))


def signs(schedule: Schedule, known: dict[str, Key], now: int) -> str:
    kid = signing.signer(schedule, now=now).kid
    return next(name for name, key in known.items() if key.kid == kid)


def shown(schedule: Schedule, known: dict[str, Key], now: int) -> str:
    published = signing.published(schedule, now=now)
    return "".join(sorted(name for name, key in known.items() if key.kid in published))


def test_without_a_schedule_the_first_signs_and_all_are_published(known, environment) -> None:
    environment("ba")
    assert signs(Schedule(), known, NOW) == "b"
    assert shown(Schedule(), known, NOW) == "ab"


def test_the_next_key_signs_from_its_second_on(known, environment) -> None:
    environment("ba")
    schedule = scheduled(known, a=0, b=NOW)
    assert [signs(schedule, known, NOW + second) for second in (-1, 0, 1)] == ["a", "b", "b"]


def test_next_is_published_long_before_and_previous_until_its_last_lease_has_expired(
    known, environment
) -> None:
    environment("ba")
    schedule = scheduled(known, a=0, b=NOW)
    end = NOW + LIFETIME + SLACK
    assert shown(schedule, known, NOW - 3 * SLACK) == "ab"
    assert [shown(schedule, known, end + second) for second in (-1, 0)] == ["ab", "b"]


def test_an_edge_that_lacks_a_seed_publishes_its_key_all_the_same(known, environment) -> None:
    schedule = scheduled(known, a=0, b=NOW)
    for letters in ("a", "b", "ab", "ba", "c"):
        environment(letters)
        assert {"a", "b"} <= set(shown(schedule, known, NOW + 1))


def test_an_edge_without_the_new_seed_signs_by_the_old_one_as_long_as_that_is_published(
    known, environment
) -> None:
    environment("a")
    schedule = scheduled(known, a=0, b=NOW)
    last = NOW + SLACK - 1
    assert signs(schedule, known, last) == "a"
    assert "a" in shown(schedule, known, last + LIFETIME), "its last lease is good to its end"
    with pytest.raises(NoKey):
        signing.signer(schedule, now=last + 1)


def test_a_key_that_nobody_scheduled_is_published_and_does_not_sign(known, environment) -> None:
    environment("ba")
    schedule = scheduled(known, a=0)
    assert signs(schedule, known, NOW) == "a"
    assert shown(schedule, known, NOW) == "ab"


def test_a_key_that_was_put_in_the_place_of_the_other_signs(known, environment) -> None:
    environment("b")
    schedule = scheduled(known, a=0)
    assert signs(schedule, known, NOW) == "b"
    assert shown(schedule, known, NOW) == "ab"


def test_a_removed_key_neither_signs_nor_is_published_wherever_its_seed_is(
    known, environment
) -> None:
    environment("ab")
    schedule = Schedule(removed=frozenset({known["a"].kid}))
    assert signs(schedule, known, NOW) == "b"
    assert shown(schedule, known, NOW) == "b"
    environment("a")
    with pytest.raises(NoKey):
        signing.signer(schedule, now=NOW)


def test_three_rotations_leave_each_key_its_forty_days(known, environment) -> None:
    environment("dcba")
    week = 7 * 86_400
    schedule = scheduled(known, a=0, b=NOW, c=NOW + week, d=NOW + 10 * week)
    for second in range(NOW - week, NOW + 20 * week, 86_400):
        signer = signs(schedule, known, second)
        for later in (second, second + LIFETIME - 1):
            assert signer in shown(schedule, known, later)
    assert shown(schedule, known, NOW + 20 * week) == "d"


def test_what_is_kept_is_what_is_read(known) -> None:
    schedule = scheduled(known, a=0, b=NOW)._replace(removed=frozenset({"x"}), raised=2)
    assert signing.parse(schedule.content()) == schedule
    assert signing.parse({}) == Schedule()


@pytest.mark.parametrize(
    "noise", [{"keys": 7}, {"keys": [["k"]]}, {"raised": "much"}, {"removed": 1}, []]
)
def test_noise_is_no_schedule(noise) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        signing.parse(noise)


def test_the_jwks_follows_the_schedule(known, environment) -> None:
    environment("b")
    [previous, current] = lease.jwks(scheduled(known, a=0, b=NOW), now=NOW)["keys"]
    assert (previous["kid"], previous["x"]) == known["a"][:2]
    assert current == {
        "crv": "Ed25519",
        "kty": "OKP",
        "x": known["b"].x,
        "kid": known["b"].kid,
        "use": "sig",
    }
