"""A VIN as a value (ISO 3779, 49 CFR 565): decides what is one; never knows whose car it is."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from django.utils.translation import gettext as _

# People and spreadsheets put spaces, hyphens and typographic dashes between the groups.
_SEPARATORS = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
# 49 CFR 565.15, table III; I, O and Q never occur.
_VALUES = dict(
    zip(
        "ABCDEFGHJKLMNPRSTUVWXYZ0123456789",
        map(int, "123456781234579234567890123456789"),
        strict=True,
    )
)
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


class VinError(ValueError):
    """The text is not a VIN; the message says what to do and never repeats the VIN."""


class WrongLength(VinError):
    """It has more or fewer than 17 characters."""

    def __init__(self, length: int) -> None:
        """Take the number of characters that there were, separators left out."""
        self.length = length
        super().__init__(
            _(
                "A VIN has 17 characters; this one has {length}. "
                "Compare it with the one on the car."
            ).format(length=length)
        )


class ForbiddenLetter(VinError):
    """It has an I, an O or a Q, which no VIN has."""

    def __init__(self, letter: str, position: int) -> None:
        """Take the letter and where it stands, counted from 1."""
        self.letter, self.position = letter, position
        digit = "1" if letter == "I" else "0"
        super().__init__(
            _(
                "A VIN never has the letter {letter} (character {position}). "
                "It is probably the digit {digit}."
            ).format(letter=letter, position=position, digit=digit)
        )


class WrongCharacter(VinError):
    """It has something that is neither a digit nor a Latin letter."""

    def __init__(self, character: str, position: int) -> None:
        """Take the character and where it stands, counted from 1."""
        self.character, self.position = character, position
        super().__init__(
            _(
                "A VIN has only the letters A to Z and digits; character {position} is "
                "{character}. Type it again."
            ).format(position=position, character=ascii(character))
        )


class Placeholder(VinError):
    """It is one character 17 times: all-0 and all-1 would pass the arithmetic."""

    def __init__(self) -> None:
        """Take nothing: there is nothing more to say."""
        super().__init__(
            _(
                "This is a placeholder and no VIN: all of its characters are the same. "
                "Type the one that is on the car."
            )
        )


class WrongCheckDigit(VinError):
    """Its ninth character does not fit the others, where the maker is bound to have it fit."""

    def __init__(self) -> None:
        """Take nothing: which character is mistyped cannot be known."""
        super().__init__(
            _(
                "The check digit (the ninth character) does not fit the others: at least one "
                "character is mistyped. Compare it with the VIN on the car."
            )
        )


class Region(StrEnum):
    """Where the maker's code was assigned, by the first character (ISO 3780)."""

    AFRICA = "africa"
    ASIA = "asia"
    EUROPE = "europe"
    NORTH_AMERICA = "north_america"
    OCEANIA = "oceania"
    SOUTH_AMERICA = "south_america"


_REGIONS = {
    **dict.fromkeys("ABCDEFGH", Region.AFRICA),
    **dict.fromkeys("JKLMNPR", Region.ASIA),
    **dict.fromkeys("STUVWXYZ", Region.EUROPE),
    **dict.fromkeys("12345", Region.NORTH_AMERICA),
    **dict.fromkeys("67", Region.OCEANIA),
    **dict.fromkeys("890", Region.SOUTH_AMERICA),
}

# 49 CFR 565.15, table VII: thirty years, then again from the first.
_YEARS = "ABCDEFGHJKLMNPRSTVWXY123456789"
# Our own plants, and what the fourth character means there.
_OURS = frozenset({"5YJ", "7SA", "LRW", "XP7"})
_LINES = {"3": "model_3", "S": "model_s", "X": "model_x", "Y": "model_y"}


def check_digit(text: str) -> str:
    """Return the check digit that fits 17 valid characters, whatever the ninth of them is."""
    total = sum(_VALUES[char] * weight for char, weight in zip(text, _WEIGHTS, strict=True))
    return "0123456789X"[total % 11]


def masked(text: str) -> str:
    """Return a VIN as lists show it: the maker, the model line and the last four."""
    return f"{text[:4]}{'•' * 9}{text[-4:]}"


@dataclass(frozen=True, slots=True)
class Vin:
    """A well-formed VIN: no other can be made. Equal if its 17 characters are.

    Its `repr` is masked, for a VIN is personal data and tracebacks end in logs.
    """

    text: str

    LENGTH: ClassVar = 17
    # Makers of North America by law, and those of China, bind themselves to the check digit.
    BOUND: ClassVar = frozenset("12345L")

    def __post_init__(self) -> None:
        """Raise the VinError that says what is wrong, if anything is."""
        if len(self.text) != self.LENGTH:
            raise WrongLength(len(self.text))
        for position, character in enumerate(self.text, start=1):
            if character in "IOQ":
                raise ForbiddenLetter(character, position)
            if character not in _VALUES:
                raise WrongCharacter(character, position)
        if len(set(self.text)) == 1:
            raise Placeholder
        if self.check_digit_binds and not self.check_digit_holds:
            raise WrongCheckDigit

    @classmethod
    def parse(cls, text: str) -> "Vin":
        """Return the VIN that a person or a file means, in any case, with or without separators.

        Raises WrongLength, ForbiddenLetter, WrongCharacter, Placeholder or WrongCheckDigit.
        """
        return cls(_SEPARATORS.sub("", text).upper())

    @property
    def check_digit_holds(self) -> bool:
        """Whether the ninth character fits the others."""
        return self.text[8] == check_digit(self.text)

    @property
    def check_digit_binds(self) -> bool:
        """Whether its maker must have the check digit fit; elsewhere the place is free."""
        return self.text[0] in self.BOUND

    @property
    def doubtful(self) -> bool:
        """Whether it may be mistyped: the digit does not fit, but need not."""
        return not self.check_digit_holds

    @property
    def region(self) -> Region:
        """Where the maker's code was assigned."""
        return _REGIONS[self.text[0]]

    @property
    def line(self) -> str:
        """The model's code, where one of our plants has given it; else empty."""
        return _LINES.get(self.text[3], "") if self.text[:3] in _OURS else ""

    @property
    def model_year(self) -> int | None:
        """The model year, where one of our plants has given it: none is as old as 2009."""
        if self.text[:3] not in _OURS or self.text[9] not in _YEARS:
            return None
        return 2010 + _YEARS.index(self.text[9])

    @property
    def masked(self) -> str:
        """Show it in a list; see masked()."""
        return masked(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Vin {self.masked}>"
