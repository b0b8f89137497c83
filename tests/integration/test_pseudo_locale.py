"""No page and no mail says anything that a German reader does not get in German."""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from connectivity.notices import letters, samples
from connectivity.specimens import page
from tests import pseudo, staffed

pytestmark = pytest.mark.django_db
# What is the same in every language.
_DATA = (
    r"https?://[^\s⟧]+",
    r"[\w.+-]+@[\w.-]+\b",  # email addresses
    r"\b[A-HJ-NPR-Z0-9]{17}\b",  # VINs
    r"\b(?:sub|in|cs)_\w+",  # Stripe's ids
    r"\b[A-Z]{4}-[A-Z]{4}\b|\b[A-Z]-[0-9A-F]{6}\b|\b[A-Z2-7]{32}\b",  # codes, references, keys
    r"\b(?:US|CA|DE)\b|\bMCU \d\b",  # countries, hardware
    r"\bPC-\d+\b|\bPhone\b",  # numbers of invoices, the name of a passkey
    r"\bPremium\b|\bConnectivity\b",  # the brand
    r"\bModel [3SXY]\b|\bVisa\b|\bMastercard\b",
    r"\bEnglish\b|\bDeutsch\b",  # each by its own name
    r"\bUTC\b|\bPDF\b|\bCSV\b|\bUSD\b",
    r"\bFirefox\b|\bSafari\b|\bWindows\b|\biPhone\b",
    r"\bAda Lovelace\b|\bA\. Owner\b",
    r"Nobody: this installation sells nothing",  # SELLER_NAME where nothing is sold
)
DATA = re.compile("|".join(_DATA))


@pytest.fixture(autouse=True)
def _spoken(tmp_path: Path, settings) -> Iterator[None]:
    settings.LOCALE_PATHS = [pseudo.install(tmp_path)]
    with translation.override(pseudo.LANGUAGE):
        yield


def test_a_text_that_was_not_translated_is_found() -> None:
    texts = [pseudo.spoken("Sign in"), "Sign in", pseudo.spoken("by %(who)s") % {"who": "us"}]

    assert pseudo.plain(texts, DATA) == {"Sign in", texts[2]}
    html = '<title>a</title><img alt="b"><p title="c">d<script>e</script></p>'
    html += '<input type="submit" value="f"><input value="g">'
    assert pseudo.visible(html) == ["a", "b", "c", "d", "f"]


def test_every_state_of_every_page_is_translated() -> None:
    staff = staffed.sign_in(staffed.make_staff())
    said: dict[str, set[str]] = defaultdict(set)
    for name in page.STATES:
        shown = staff.get(f"/admin/states/{name}/", {"language": pseudo.LANGUAGE})
        texts = pseudo.visible(shown.content.decode())
        for text in pseudo.plain(texts, DATA) | (set() if "⟦" in "".join(texts) else {"nothing"}):
            said[text].add(name)
    assert_none(said)


def test_every_mail_is_translated_as_text_and_as_html() -> None:
    said: dict[str, set[str]] = defaultdict(set)
    for name in samples.names():
        for facts in samples.variants(name):
            subject, text = samples.written(name, facts)
            texts = [subject, *text.splitlines()]
            for each in pseudo.plain([*texts, *pseudo.visible(letters.html(subject, text))], DATA):
                said[each].add(name)
    assert_none(said)


def assert_none(said: dict[str, set[str]]) -> None:
    """Name each text that was not translated, and where it is said."""
    lines = [f"{text!r}: {', '.join(sorted(places)[:4])}" for text, places in sorted(said.items())]
    assert not lines, "\n".join(["No German reader gets these in German:", *lines])


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_mail_can_be_written_in_each_language(language) -> None:
    with translation.override(language):
        for name in samples.names():
            subject, text = samples.written(name, samples.facts())
            assert subject, name
            assert "\n" not in subject, name
            assert text, name
            assert not re.search(r"[{}]|%\(", subject + text), name
