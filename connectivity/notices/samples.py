"""Every mail that there is, and made-up facts to look at it with; never a real person's."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from billing import agreements
from connectivity.accounts import mails
from connectivity.notices import outbox
from fleet.formats import money, per_interval, written_day

_TEMPLATES = Path(settings.BASE_DIR) / "templates"
_SUBJECT = "_subject.txt"
_DAY = datetime(2027, 3, 24, 8, 20, tzinfo=UTC)
# What a template asks for beside facts: Django's own words.
_ASKED = re.compile(r"{% (?:if|elif) ([^%]+)%}")
_INCLUDED = re.compile(r'{% include "([^"]+)" %}')
EXTENTS = ("most", "least")
_NOT_NAMES = frozenset({"and", "or", "not", "in"})


def names() -> list[str]:
    """All mails by name: those of notices, and those that django-allauth sends."""
    told = [path.stem for path in sorted((_TEMPLATES / "notices").glob("*.txt"))]
    return [*told, *sorted(_accounts())]


def _accounts() -> dict[str, str]:
    """The mails of accounts: name to the beginning of its templates' paths."""
    found = [
        path for app in ("account", "mfa") for path in _TEMPLATES.glob(f"{app}/email/*{_SUBJECT}")
    ]
    prefixes = [str(path.relative_to(_TEMPLATES)).removesuffix(_SUBJECT) for path in found]
    return {Path(prefix).name: prefix for prefix in prefixes}


def written(name: str, known: dict[str, Any]) -> tuple[str, str]:
    """Return the subject and the text of a mail, in the language that is switched on."""
    prefix = _accounts().get(name)
    return mails.words(prefix, known) if prefix else outbox.words(name, known)


def facts() -> dict[str, Any]:
    """Every fact that any mail can name, in the language that is switched on."""
    day, price = written_day(_DAY), money(1070, "usd")
    page = f"{settings.WEB_URL}/garage/"
    moments = dict.fromkeys(("agreed", "at", "received"), f"{day}, 08:20 UTC")
    days = ("begins", "charge", "ends_on", "paid_through", "retry", "until")
    links = ("cancel", "link", "login_url", "page", "pay_url", "signup_url")
    law = ("cancel_page", "terms_page", "withdraw_page")
    return {
        **moments,
        **dict.fromkeys(days, day),
        **dict.fromkeys((*links, *law), page),
        **dict.fromkeys(("amount", "charged"), price),
        "price": per_interval(1070, "usd", "month"),
        **dict.fromkeys(("email", "from_email", "owner", "to_email"), "owner@made-up.test"),
        "car": "Model 3",
        "card": "Visa •4242",
        "code": "BCDF-GHJK",
        "days": 3,
        "driver": "driver@made-up.test",
        "ip": "192.0.2.1",
        "name": "Ada Lovelace",
        "reason": "…",
        "reference": "sub_1MadeUp",
        "subscription": "sub_1MadeUp",
        "terms": agreements.TERMS,
        "text": "2027-01",
        "timestamp": _DAY,
        "user_agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0",
        "version": "2027-01",
        "vin": "000316",
    }


def asked(name: str) -> dict[str, set[Any]]:
    """Return on which facts a notice's sentences depend: by name, the values that count."""
    path = _TEMPLATES / "notices" / f"{name}.txt"
    found: dict[str, set[Any]] = {}
    text = path.read_text() if path.exists() else ""
    text += "".join((_TEMPLATES / each).read_text() for each in _INCLUDED.findall(text))
    for condition in _ASKED.findall(text):
        for fact, value in re.findall(r'([a-z_0-9]+)(?: == "([^"]+)")?', condition):
            if fact not in _NOT_NAMES:
                found.setdefault(fact, set()).add(value or True)
    return found


def extent(name: str, how_much: str) -> dict[str, Any]:
    """Return the facts with which a mail says the most that it can, or the least."""
    known, tests = facts(), asked(name)
    if how_much == "least":
        return {**known, **dict.fromkeys(tests, "")}
    return {**dict.fromkeys(tests, True), **known}


def variants(name: str) -> list[dict[str, Any]]:
    """Return the facts with which each sentence of a mail is said at least once."""
    most, least = (extent(name, each) for each in EXTENTS)
    found = [most, least]
    for fact, values in asked(name).items():
        found.append({**most, fact: ""})
        for value in values:
            one = most[fact] if value is True else value
            found += [{**most, fact: one}, {**least, fact: one}]
    return found
