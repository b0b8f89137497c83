"""A language for tests in which whatever was translated looks it: ⟦Ńéẋť ćĥáŕǵé⟧, placeholders kept.

It has the messages that have a German translation, ours and those of Django and django-allauth, and
no others. So what stands on a page in plain letters is data, or a text that no German reader gets.
"""

import re
import struct
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import allauth
import django
from django.conf import settings

LANGUAGE = "en-xa"
LOCALE = "en_XA"
_LETTERS = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "áḃćďéƒǵĥíĵķĺḿńóṕɋŕśťúṽẃẋýźÁḂĆĎÉƑǴĤÍĴĶĹḾŃÓṔɊŔŚŤÚṼẂẊÝŹ",
)
# What stands for something else, or is no word: placeholders, tags, entities.
_KEPT = re.compile(r"%\(\w+\)[sd]|%%|%[sd]|\{\w*\}|<[^>]+>|&\w+;")
DATE_FORMATS = frozenset({"M j, Y"})
_HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=(n != 1);\n"
_MAGIC = 0x950412DE


def install(folder: Path) -> Path:
    """Write the language into a folder of message files, and return the folder."""
    messages = {
        key: "\0".join(spoken(form) for form in key.rpartition("\4")[2].split("\0"))
        for path in _german()
        for key, german in read(path)
        if key and german
    }
    target = folder / LOCALE / "LC_MESSAGES" / "django.mo"
    target.parent.mkdir(parents=True)
    target.write_bytes(_compiled({"": _HEADER, **messages}))
    return folder


def _german() -> Iterator[Path]:
    """Whose German a reader gets: Django's, its applications', django-allauth's, our own."""
    place = Path("de") / "LC_MESSAGES" / "django.mo"
    ground = Path(django.__file__).parent
    yield ground / "conf" / "locale" / place
    for app in ("auth", "humanize"):
        yield ground / "contrib" / app / "locale" / place
    yield Path(allauth.__file__).parent / "locale" / place
    yield settings.BASE_DIR / "locale" / place


def spoken(text: str) -> str:
    """Return a message as this language says it."""
    if text in DATE_FORMATS:
        return text
    parts = zip(_KEPT.split(text), [*_KEPT.findall(text), ""], strict=True)
    said = "".join(words.translate(_LETTERS) + kept for words, kept in parts)
    start, end = len(said) - len(said.lstrip("\n")), len(said.rstrip("\n"))
    return f"{said[:start]}⟦{said[start:end]}⟧{said[end:]}"


def read(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what a compiled message file has: context, singular and plural are one text there."""
    content = path.read_bytes()
    magic, _, count, originals, translations = struct.unpack_from("<5I", content)
    assert magic == _MAGIC, path
    for number in range(count):
        texts = []
        for table in (originals, translations):
            length, start = struct.unpack_from("<2I", content, table + 8 * number)
            texts.append(content[start : start + length].decode())
        yield texts[0], texts[1]


def _compiled(messages: dict[str, str]) -> bytes:
    """A message file as gettext reads it: a head, two tables, all texts."""
    keys = sorted(messages, key=lambda key: key.encode())
    count, begin = len(keys), 28
    texts, tables = b"", b""
    for column in (keys, [messages[key] for key in keys]):
        for text in column:
            raw = text.encode()
            tables += struct.pack("<2I", len(raw), begin + 16 * count + len(texts))
            texts += raw + b"\0"
    head = struct.pack("<7I", _MAGIC, 0, count, begin, begin + 8 * count, 0, 0)
    return head + tables + texts


class _Visible(HTMLParser):
    """Collects what a reader of a page sees or hears."""

    SILENT = frozenset({"script", "style", "svg"})
    SPOKEN = frozenset({"alt", "title", "aria-label", "placeholder", "label"})
    DESCRIBED = frozenset({"description", "og:title", "og:description"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in self.SILENT
        facts = {name: value or "" for name, value in attrs}
        self.found += [value for name, value in facts.items() if name in self.SPOKEN]
        if tag == "input" and facts.get("type") in ("submit", "button", "reset"):
            self.found.append(facts.get("value", ""))
        if tag == "meta" and {facts.get("name"), facts.get("property")} & self.DESCRIBED:
            self.found.append(facts.get("content", ""))

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in self.SILENT

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.found.append(" ".join(data.split()))


def visible(html: str) -> list[str]:
    """Return each text and each spoken attribute of a page, title and description included."""
    parser = _Visible()
    parser.feed(html)
    return parser.found


def plain(texts: Iterable[str], data: re.Pattern[str]) -> set[str]:
    """Return the texts that have a word in plain letters which is no data."""
    return {text for text in texts if re.search("[A-Za-z]{2,}", data.sub("", text))}
