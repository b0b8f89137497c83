"""Decides how an answer of the edge is read: its times, its tokens, its refusals in words; it must
never know what the car then does.
"""

import datetime as dt
import email.utils
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_POLL_AFTER = 60.0
DEFAULT_TOKEN_SECONDS = 3600.0
DEFAULT_CODE_SECONDS = 900.0
_LARGEST_WAIT = 86_400.0


class Kind(enum.StrEnum):
    """What stood in the way of an errand."""

    NO_SIGNAL = "no_signal"  # The car's own modem has no network.
    SILENT = "silent"  # No answer came.
    BUSY = "busy"  # The edge answered that it cannot just now, or not in its own language.
    REFUSED = "refused"  # The edge understood and said no.


class SetbackError(Exception):
    """The errand did not work and is worth another try; the text is for the car's screen.

    `at_least` is what the edge asked to wait, in seconds.
    """

    def __init__(self, words: str, kind: Kind = Kind.BUSY, *, at_least: float = 0) -> None:
        super().__init__(words)
        self.words = words
        self.kind = kind
        self.at_least = at_least


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def date(self) -> float | None:
        """The edge's own time in Unix seconds, where it says it."""
        return _http_date(self.headers.get("date"))

    @property
    def poll_after(self) -> float:
        """Seconds until the edge wants the next check."""
        return _seconds(self.headers.get("poll-after"), DEFAULT_POLL_AFTER)

    @property
    def was_held(self) -> bool:
        """Whether the edge has held the request, as it was asked to (RFC 7240)."""
        return "wait" in self.headers.get("preference-applied", "")

    @property
    def retry_after(self) -> float:
        """Seconds that `Retry-After` asks for, as a number or a date; 0 where it is absent."""
        value = self.headers.get("retry-after")
        until, now = _http_date(value), self.date
        if until is not None and now is not None:
            return min(max(until - now, 0.0), _LARGEST_WAIT)
        return _seconds(value, 0.0)

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; anything else is an empty one."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def words(self) -> str:
        """A refusal in words, from problem details (RFC 9457) or an OAuth error (RFC 6749)."""
        body = self.json()
        for member in ("detail", "title", "error_description", "error"):
            text = body.get(member)
            if isinstance(text, str) and text.strip():
                return f"{text.strip()[:300]} ({self.status})"
        return f"The service answered {self.status}."


@dataclass(frozen=True)
class Token:
    """An access token and the seconds for which it is good."""

    value: str
    expires_in: float


@dataclass(frozen=True)
class PairingCode:
    """The code for the screen and the seconds for which it is good."""

    value: str
    expires_in: float


def on_token(answer: Answer) -> Token:
    """The token in an answer to an assertion; raises SetbackError where there is none."""
    expect(answer, 200)
    body = answer.json()
    value = body.get("access_token")
    if not isinstance(value, str) or not value:
        raise SetbackError("The service sent no token.")
    return Token(value, _number(body.get("expires_in"), DEFAULT_TOKEN_SECONDS))


def on_pairing(answer: Answer) -> PairingCode:
    """The code in an answer to a request for one; raises SetbackError where there is none."""
    expect(answer, 200, 201)
    body = answer.json()
    code = body.get("user_code")
    if not isinstance(code, str) or not code:
        raise SetbackError("The service sent no code.")
    return PairingCode(code, _number(body.get("expires_in"), DEFAULT_CODE_SECONDS))


def on_keys(answer: Answer) -> dict[str, Any]:
    """The published keys for leases (a JWKS); raises SetbackError where there are none."""
    expect(answer, 200)
    body = answer.json()
    if not isinstance(body.get("keys"), list):
        raise SetbackError("The service sent no keys for leases.")
    return body


def expect(answer: Answer, *statuses: int) -> None:
    """Raises SetbackError unless the answer has one of these statuses."""
    if answer.status not in statuses:
        raise setback(answer)


def setback(answer: Answer) -> SetbackError:
    """What an answer other than the wanted one means: wait as it says, and what to show."""
    refused = 400 <= answer.status < 500 and answer.status not in (408, 425, 429)
    kind = Kind.REFUSED if refused else Kind.BUSY
    return SetbackError(answer.words(), kind, at_least=answer.retry_after)


def _number(value: object, otherwise: float) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return float(value) if good else otherwise  # type: ignore[arg-type]


def _seconds(value: str | None, otherwise: float) -> float:
    if value is None or not value.strip().isdecimal():
        return otherwise
    return min(float(value), _LARGEST_WAIT)


def _http_date(value: str | None) -> float | None:
    if not value:
        return None
    try:
        instant = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return instant.replace(tzinfo=instant.tzinfo or dt.UTC).timestamp()
