"""The documents lead where they say: every link inside the project points to something."""

import re
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")})
LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
SOURCE = re.compile(r'(?:src|srcset|href)="([^"]+)"')


def links(page: Path) -> list[str]:
    """What the page points to in the project; addresses elsewhere are not ours to promise."""
    text = FENCE.sub("", page.read_text())
    found = [one or other for one, other in LINK.findall(text)] + SOURCE.findall(text)
    return [link for link in found if not re.match(r"[a-z]+:|//", link)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual forges make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+\s+(.*)$", FENCE.sub("", page.read_text()), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        kept = "".join(
            letter
            for letter in words.strip()
            if letter in " -_" or unicodedata.category(letter)[0] in "LN"
        )
        name, number = kept.replace(" ", "-"), 0
        while (unique := f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(unique)
    return found


def broken(page: Path) -> list[str]:
    wrong = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        there = target.exists() and target.is_relative_to(ROOT)
        named = anchor and target.suffix == ".md"
        if not there or (named and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


def test_there_are_pages() -> None:
    assert {"README.md", "docs/operations.md"} <= {str(page.relative_to(ROOT)) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    assert not broken(page)


def test_a_broken_link_would_be_seen(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "there.md").write_text("# A `heading`, twice\n# A `heading`, twice\n")
    page = tmp_path / "page.md"
    good = ["there.md", "there.md#a-heading-twice", "there.md#a-heading-twice-1", "https://x.test"]
    bad = ["gone.md", "there.md#a-heading", "#nowhere", "../outside.md"]
    page.write_text("\n".join(f"[x]({link})" for link in good + bad))
    assert broken(page) == bad
