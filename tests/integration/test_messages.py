"""The message files: as the sources are now, each text translated, compiled as they stand.

Without gettext what needs it is skipped, and the reason says what to install; CI allows no skip.
"""

import ast
import json
import re
import shutil
from pathlib import Path
from typing import TypeGuard

import pytest
from django.conf import settings
from django.utils import translation

from tests import messages, pseudo

ROOT = Path(settings.BASE_DIR)
LOCALE = ROOT / "locale"
needs_gettext = pytest.mark.skipif(not shutil.which(messages.NEEDED), reason=messages.MISSING)


def files() -> list[Path]:
    return [LOCALE / language / messages.FILE for language in messages.LANGUAGES]


def test_there_is_a_message_file_for_each_language_but_the_one_that_texts_are_written_in() -> None:
    offered = {language for language, _ in settings.LANGUAGES}

    assert offered == {settings.LANGUAGE_CODE, *messages.LANGUAGES}
    assert {path.name for path in LOCALE.iterdir()} == set(messages.LANGUAGES)


@needs_gettext
def test_the_message_files_are_as_the_sources_are(tmp_path: Path) -> None:
    made = messages.collected(tmp_path)

    for path in files():
        there, wanted = path.read_text(), (made / path.relative_to(LOCALE)).read_text()
        new = set(re.findall(r"^msgid .*", wanted, re.MULTILINE))
        old = set(re.findall(r"^msgid .*", there, re.MULTILINE))
        assert (new - old, old - new) == (set(), set()), "run `make messages` and translate"
        assert there == wanted, "run `make messages`"


def test_every_text_is_translated_and_none_is_a_guess() -> None:
    for path in files():
        text = path.read_text()
        assert "#, fuzzy" not in text
        assert ", fuzzy" not in text
        assert "\n#~" not in text, "a text that is no longer there"
        empty = r'^msgid(?:_plural)? (.+(?:\n".*")*)\nmsgstr(?:\[\d\])? ""\n(?!")'
        assert re.findall(empty, text.partition("\n\n")[2], re.MULTILINE) == []


@needs_gettext
def test_what_is_compiled_is_what_is_written(tmp_path: Path) -> None:
    for path in files():
        messages.compiled(path, tmp_path / "django.mo")
        assert dict(pseudo.read(path.with_suffix(".mo"))) == dict(
            pseudo.read(tmp_path / "django.mo")
        )


def test_placeholders_and_tags_are_those_of_the_text() -> None:
    # What gettext itself does not check: names in braces, and HTML.
    marks = re.compile(r"%\(\w+\)[sd]|\{\w+\}|</?\w+[^>]*>")
    for path in files():
        for text, translated in pseudo.read(path.with_suffix(".mo")):
            forms = text.rpartition("\4")[2].split("\0")
            if text:
                for said in translated.split("\0"):
                    assert sorted(marks.findall(said)) == sorted(marks.findall(forms[-1])), text


def test_what_the_catalogue_sells_has_a_name_in_each_language() -> None:
    sold = json.loads((ROOT / "billing" / "catalog.json").read_text())
    with translation.override("de"):
        named = {each["name"]: translation.gettext(each["name"]) for each in sold["features"]}

    assert len(named) >= 7
    assert [name for name, german in named.items() if name == german] == ["Karaoke"]


def test_no_view_says_a_text_that_nobody_can_translate() -> None:
    said = []
    for folder in ("connectivity", "fleet", "billing"):
        for path in (ROOT / folder).rglob("*.py"):
            if "admin" in path.parts or "staff" in path.parts or path.name == "actions.py":
                continue
            said += [
                f"{path.relative_to(ROOT)}:{node.lineno}"
                for node in ast.walk(ast.parse(path.read_text()))
                if _is_flash(node) and isinstance(node.args[1], ast.Constant | ast.JoinedStr)
            ]
    assert said == []


def _is_flash(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether this is `messages.success(request, …)`, or another of its kind."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "messages"
        and len(node.args) > 1
    )
