"""A VIN is what ISO 3779 says: the published vectors, and properties over all of them."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fleet import vin
from fleet.vin import Vin

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "vin.json").read_text())
ALPHABET = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
FREE, BOUND = sorted(set(ALPHABET) - set("12345L")), "12345L"
TAIL = st.text(ALPHABET, min_size=16, max_size=16)
GOOD = "5YJ3E1EA0KF000316"


def with_check_digit(text: str) -> str:
    return text[:8] + vin.check_digit(text) + text[9:]


@pytest.mark.parametrize(
    "text", VECTORS["valid_check_digit_published"] + VECTORS["valid_check_digit_synthetic"]
)
def test_vectors_with_a_right_check_digit(text: str) -> None:
    assert Vin.parse(text).check_digit_holds
    assert not Vin.parse(text).doubtful


@pytest.mark.parametrize("text", VECTORS["wrong_digit_but_acceptable_outside_north_america"])
def test_vectors_with_a_wrong_digit_are_doubtful_where_it_is_free(text: str) -> None:
    found = Vin.parse(text)
    assert (found.check_digit_holds, found.check_digit_binds, found.doubtful) == (
        False,
        False,
        True,
    )


@pytest.mark.parametrize("first", "12345L")
def test_a_wrong_digit_is_an_error_for_north_america_and_china(first: str) -> None:
    right = with_check_digit(first + GOOD[1:])
    assert Vin.parse(right).check_digit_binds
    wrong = right[:8] + ("0" if right[8] != "0" else "1") + right[9:]
    with pytest.raises(vin.WrongCheckDigit, match="ninth character"):
        Vin.parse(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "5yj3e1ea0kf000316",
        " 5YJ 3E1EA 0K F000316\n",
        "5YJ-3E1EA-0KF-000316",
        "5YJ3E1EA0\u00a0KF\u2011000316\t",
    ],
)
def test_case_spaces_and_hyphens_do_not_matter(text: str) -> None:
    assert Vin.parse(text) == Vin(GOOD)
    assert str(Vin.parse(text)) == GOOD


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", vin.WrongLength, "has 0"),
        (GOOD[:-1], vin.WrongLength, "has 16"),
        (GOOD + "7", vin.WrongLength, "has 18"),
        ("5YJ3E1EAOKF000316", vin.ForbiddenLetter, r"letter O \(character 9\).* digit 0"),
        ("5YJ3E1EA0KF0003I6", vin.ForbiddenLetter, r"letter I \(character 16\).* digit 1"),
        ("qYJ3E1EA0KF000316", vin.ForbiddenLetter, r"letter Q \(character 1\).* digit 0"),
        ("5YJ3E1EA0KF00031_", vin.WrongCharacter, "character 17 is '_'"),
        ("ÄYJ3E1EA0KF000316", vin.WrongCharacter, r"character 1 is '\\xc4'"),
        ("5YJ3E1EA\uff10KF000316", vin.WrongCharacter, "character 9"),
        ("0" * 17, vin.Placeholder, "placeholder"),
        ("1" * 17, vin.Placeholder, "placeholder"),
        ("X" * 17, vin.Placeholder, "placeholder"),
        ("5YJ3E1EA1KF000316", vin.WrongCheckDigit, "mistyped"),
    ],
)
def test_each_fault_has_its_own_error(text: str, error: type[vin.VinError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        Vin.parse(text)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("first", "region"),
    [
        ("A", "africa"),
        ("H", "africa"),
        ("J", "asia"),
        ("L", "asia"),
        ("S", "europe"),
        ("X", "europe"),
        ("1", "north_america"),
        ("5", "north_america"),
        ("6", "oceania"),
        ("9", "south_america"),
    ],
)
def test_region_is_told_by_the_first_character(first: str, region: str) -> None:
    assert Vin(with_check_digit(first + GOOD[1:])).region == region


def test_a_list_shows_it_masked_and_a_log_too() -> None:
    assert Vin(GOOD).masked == "5YJ3•••••••••0316"
    assert GOOD not in repr(Vin(GOOD))
    assert GOOD not in repr([Vin(GOOD)])


@given(first=st.sampled_from(ALPHABET), tail=TAIL)
@example(first="1", tail="M8GDM9AXKP042788")
def test_the_right_digit_is_always_accepted(first: str, tail: str) -> None:
    text = with_check_digit(first + tail)
    assume(len(set(text)) > 1)
    assert not Vin.parse(text).doubtful
    assert Vin.parse(text).region in vin.Region


@given(first=st.sampled_from(BOUND), tail=TAIL, data=st.data())
def test_any_single_mistyped_value_is_caught_where_the_digit_binds(
    first: str, tail: str, data: st.DataObject
) -> None:
    text = with_check_digit(first + tail)
    place = data.draw(st.integers(1, 16))
    typed = data.draw(st.sampled_from(ALPHABET))
    wrong = text[:place] + typed + text[place + 1 :]
    # Letters and digits share values (A, J and 1 are all 1): such slips no check digit can see.
    assume(vin.check_digit(wrong) != wrong[8])
    with pytest.raises(vin.WrongCheckDigit):
        Vin.parse(wrong)


@given(first=st.sampled_from(FREE), tail=TAIL)
def test_elsewhere_any_digit_is_accepted_and_doubt_is_exact(first: str, tail: str) -> None:
    assume(len({first, *tail}) > 1)
    found = Vin.parse(first + tail)
    assert found.doubtful is (found.text[8] != vin.check_digit(found.text))


def parsed(text: str) -> Vin | vin.VinError:
    """What comes of a text: anything but these two is an error of ours."""
    try:
        return Vin.parse(text)
    except vin.VinError as error:
        return error


@given(st.text(max_size=40))
def test_any_text_is_a_vin_or_a_clear_error_and_parsing_is_idempotent(text: str) -> None:
    found = parsed(text)
    if isinstance(found, Vin):
        assert Vin.parse(found.text.lower()) == found
        assert set(found.text) <= set(ALPHABET)
    else:
        assert str(found).endswith(".")


@given(st.from_regex(r"\A[A-Z0-9]{17}\Z"))
def test_messages_never_repeat_the_vin(text: str) -> None:
    found = parsed(text)
    assert isinstance(found, Vin) or text not in str(found)
